// From policy/v1/policy.proto


export interface RevocationSpec {
  'serials'?: (string)[];
  'spiffeIds'?: (string)[];
  'reason'?: (string);
}

export interface RevocationSpec__Output {
  'serials': (string)[];
  'spiffeIds': (string)[];
  'reason': (string);
}
