// From policy/v1/policy.proto


export interface HeaderLocation {
  'name'?: (string);
  'prefix'?: (string);
}

export interface HeaderLocation__Output {
  'name': (string);
  'prefix': (string);
}
