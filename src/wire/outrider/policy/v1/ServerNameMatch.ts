// From policy/v1/policy.proto


export interface ServerNameMatch {
  'names'?: (string)[];
}

export interface ServerNameMatch__Output {
  'names': (string)[];
}
