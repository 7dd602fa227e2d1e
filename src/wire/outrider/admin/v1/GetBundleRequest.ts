// From admin/v1/admin.proto


export interface GetBundleRequest {
  'trustDomain'?: (string);
}

export interface GetBundleRequest__Output {
  'trustDomain': (string);
}
