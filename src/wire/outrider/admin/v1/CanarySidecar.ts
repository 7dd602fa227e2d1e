// From admin/v1/admin.proto


export interface CanarySidecar {
  'spiffeId'?: (string);
  'sidecarId'?: (string);
}

export interface CanarySidecar__Output {
  'spiffeId': (string);
  'sidecarId': (string);
}
