// From admin/v1/admin.proto


export interface PrepareAuthorityRequest {
  'certificates'?: (string);
  'key'?: (string);
}

export interface PrepareAuthorityRequest__Output {
  'certificates': (string);
  'key': (string);
}
