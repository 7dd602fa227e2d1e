// From policy/v1/policy.proto


export interface OperationMatch {
  'methods'?: (string)[];
  'paths'?: (string)[];
  'ports'?: (number)[];
  'notMethods'?: (string)[];
  'notPaths'?: (string)[];
  'notPorts'?: (number)[];
  'hosts'?: (string)[];
  'notHosts'?: (string)[];
  'grpcMethods'?: (string)[];
  'notGrpcMethods'?: (string)[];
}

export interface OperationMatch__Output {
  'methods': (string)[];
  'paths': (string)[];
  'ports': (number)[];
  'notMethods': (string)[];
  'notPaths': (string)[];
  'notPorts': (number)[];
  'hosts': (string)[];
  'notHosts': (string)[];
  'grpcMethods': (string)[];
  'notGrpcMethods': (string)[];
}
