// From admin/v1/admin.proto


export interface WatchRequest {
  'kind'?: (string);
  'namespace'?: (string);
}

export interface WatchRequest__Output {
  'kind': (string);
  'namespace': (string);
}
