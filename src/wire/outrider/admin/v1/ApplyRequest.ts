// From admin/v1/admin.proto


export interface ApplyRequest {
  'documents'?: (string)[];
  'dryRun'?: (boolean);
}

export interface ApplyRequest__Output {
  'documents': (string)[];
  'dryRun': (boolean);
}
