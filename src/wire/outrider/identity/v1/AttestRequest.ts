// From identity/v1/identity.proto


export interface AttestRequest {
  'joinToken'?: (string);
  'csr'?: (Buffer | Uint8Array | string);
  'evidence'?: "joinToken";
}

export interface AttestRequest__Output {
  'joinToken'?: (string);
  'csr': (Buffer);
  'evidence'?: "joinToken";
}
