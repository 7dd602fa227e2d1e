// From admin/v1/admin.proto


export interface ListRequest {
  'kind'?: (string);
  'namespace'?: (string);
}

export interface ListRequest__Output {
  'kind': (string);
  'namespace': (string);
}
