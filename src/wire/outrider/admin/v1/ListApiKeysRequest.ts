// From admin/v1/admin.proto


export interface ListApiKeysRequest {
  'namespace'?: (string);
}

export interface ListApiKeysRequest__Output {
  'namespace': (string);
}
