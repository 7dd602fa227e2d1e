// From policy/v1/policy.proto


export interface Endpoint {
  'address'?: (string);
  'port'?: (number);
  'appPort'?: (number);
}

export interface Endpoint__Output {
  'address': (string);
  'port': (number);
  'appPort': (number);
}
