// From identity/v1/identity.proto


export interface RenewRequest {
  'csr'?: (Buffer | Uint8Array | string);
}

export interface RenewRequest__Output {
  'csr': (Buffer);
}
