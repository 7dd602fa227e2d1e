// From policy/v1/policy.proto


export interface OperationMatch {
  'methods'?: (string)[];
  'paths'?: (string)[];
  'ports'?: (number)[];
}

export interface OperationMatch__Output {
  'methods': (string)[];
  'paths': (string)[];
  'ports': (number)[];
}
