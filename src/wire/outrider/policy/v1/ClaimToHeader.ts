// From policy/v1/policy.proto


export interface ClaimToHeader {
  'claim'?: (string);
  'header'?: (string);
}

export interface ClaimToHeader__Output {
  'claim': (string);
  'header': (string);
}
