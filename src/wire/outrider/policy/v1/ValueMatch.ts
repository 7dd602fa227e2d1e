// From policy/v1/policy.proto


export interface ValueMatch {
  'name'?: (string);
  'values'?: (string)[];
  'notValues'?: (string)[];
  'matches'?: (string)[];
}

export interface ValueMatch__Output {
  'name': (string);
  'values': (string)[];
  'notValues': (string)[];
  'matches': (string)[];
}
