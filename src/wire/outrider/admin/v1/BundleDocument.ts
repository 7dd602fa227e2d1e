// From admin/v1/admin.proto


export interface BundleDocument {
  'trustDomain'?: (string);
  'document'?: (string);
}

export interface BundleDocument__Output {
  'trustDomain': (string);
  'document': (string);
}
