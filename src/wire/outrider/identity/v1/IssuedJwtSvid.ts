// From identity/v1/identity.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';

export interface IssuedJwtSvid {
  'spiffeId'?: (string);
  'token'?: (string);
  'expiresAt'?: (_google_protobuf_Timestamp | null);
}

export interface IssuedJwtSvid__Output {
  'spiffeId': (string);
  'token': (string);
  'expiresAt': (_google_protobuf_Timestamp__Output | null);
}
