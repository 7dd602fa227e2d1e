// From policy/v1/policy.proto


export interface ServicePort {
  'port'?: (number);
  'targetPort'?: (number);
}

export interface ServicePort__Output {
  'port': (number);
  'targetPort': (number);
}
