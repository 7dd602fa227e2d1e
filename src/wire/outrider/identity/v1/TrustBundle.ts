// From identity/v1/identity.proto

import type { JwtAuthority as _outrider_identity_v1_JwtAuthority, JwtAuthority__Output as _outrider_identity_v1_JwtAuthority__Output } from '../../../outrider/identity/v1/JwtAuthority.ts';
import type { Long } from '@grpc/proto-loader';

export interface TrustBundle {
  'trustDomain'?: (string);
  'x509Authorities'?: (Buffer | Uint8Array | string)[];
  'sequence'?: (number | string | Long);
  'taintedAuthorities'?: (Buffer | Uint8Array | string)[];
  'jwtAuthorities'?: (_outrider_identity_v1_JwtAuthority)[];
}

export interface TrustBundle__Output {
  'trustDomain': (string);
  'x509Authorities': (Buffer)[];
  'sequence': (number);
  'taintedAuthorities': (Buffer)[];
  'jwtAuthorities': (_outrider_identity_v1_JwtAuthority__Output)[];
}
