// From policy/v1/policy.proto


export interface ResourceName {
  'kind'?: (string);
  'namespace'?: (string);
  'name'?: (string);
}

export interface ResourceName__Output {
  'kind': (string);
  'namespace': (string);
  'name': (string);
}
