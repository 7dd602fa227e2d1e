// From admin/v1/admin.proto


export interface CanaryReason {
  'code'?: (string);
  'message'?: (string);
}

export interface CanaryReason__Output {
  'code': (string);
  'message': (string);
}
