// From policy/v1/policy.proto


export interface InboundListener {
  'appPort'?: (number);
  'address'?: (string);
  'port'?: (number);
}

export interface InboundListener__Output {
  'appPort': (number);
  'address': (string);
  'port': (number);
}
