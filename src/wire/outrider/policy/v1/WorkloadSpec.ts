// From policy/v1/policy.proto


export interface WorkloadSpec {
  'spiffeId'?: (string);
}

export interface WorkloadSpec__Output {
  'spiffeId': (string);
}
