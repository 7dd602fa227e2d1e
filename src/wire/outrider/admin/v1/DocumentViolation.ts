// From admin/v1/admin.proto


export interface DocumentViolation {
  'document'?: (number);
  'field'?: (string);
  'code'?: (string);
  'message'?: (string);
}

export interface DocumentViolation__Output {
  'document': (number);
  'field': (string);
  'code': (string);
  'message': (string);
}
