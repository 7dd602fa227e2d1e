// From policy/v1/policy.proto


export interface AuthorityUse {
  'authority'?: (Buffer | Uint8Array | string);
  'connections'?: (number);
}

export interface AuthorityUse__Output {
  'authority': (Buffer);
  'connections': (number);
}
