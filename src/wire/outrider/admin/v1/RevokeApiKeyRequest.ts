// From admin/v1/admin.proto


export interface RevokeApiKeyRequest {
  'namespace'?: (string);
  'name'?: (string);
  'id'?: (string);
}

export interface RevokeApiKeyRequest__Output {
  'namespace': (string);
  'name': (string);
  'id': (string);
}
