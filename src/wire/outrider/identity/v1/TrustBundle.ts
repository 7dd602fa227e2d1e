// From identity/v1/identity.proto

import type { Long } from '@grpc/proto-loader';

export interface TrustBundle {
  'trustDomain'?: (string);
  'x509Authorities'?: (Buffer | Uint8Array | string)[];
  'sequence'?: (number | string | Long);
}

export interface TrustBundle__Output {
  'trustDomain': (string);
  'x509Authorities': (Buffer)[];
  'sequence': (number);
}
