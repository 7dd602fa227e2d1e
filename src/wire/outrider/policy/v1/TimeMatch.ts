// From policy/v1/policy.proto


export interface TimeMatch {
  'days'?: (string)[];
  'fromMinute'?: (number);
  'toMinute'?: (number);
  'zone'?: (string);
}

export interface TimeMatch__Output {
  'days': (string)[];
  'fromMinute': (number);
  'toMinute': (number);
  'zone': (string);
}
