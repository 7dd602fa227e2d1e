// From identity/v1/identity.proto


export interface X509Proof {
  'chain'?: (Buffer | Uint8Array | string)[];
  'signature'?: (Buffer | Uint8Array | string);
}

export interface X509Proof__Output {
  'chain': (Buffer)[];
  'signature': (Buffer);
}
