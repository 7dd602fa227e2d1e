// From identity/v1/identity.proto


export interface JwtAuthority {
  'keyId'?: (string);
  'publicKey'?: (Buffer | Uint8Array | string);
}

export interface JwtAuthority__Output {
  'keyId': (string);
  'publicKey': (Buffer);
}
