// From policy/v1/policy.proto


export interface SourceMatch {
  'spiffeIds'?: (string)[];
  'namespaces'?: (string)[];
  'trustDomains'?: (string)[];
}

export interface SourceMatch__Output {
  'spiffeIds': (string)[];
  'namespaces': (string)[];
  'trustDomains': (string)[];
}
