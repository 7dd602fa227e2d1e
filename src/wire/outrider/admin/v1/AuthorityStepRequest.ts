// From admin/v1/admin.proto


export interface AuthorityStepRequest {
  'id'?: (string);
  'force'?: (boolean);
}

export interface AuthorityStepRequest__Output {
  'id': (string);
  'force': (boolean);
}
