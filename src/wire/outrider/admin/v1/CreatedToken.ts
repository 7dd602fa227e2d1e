// From admin/v1/admin.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';

export interface CreatedToken {
  'id'?: (string);
  'token'?: (string);
  'spiffeId'?: (string);
  'expiresAt'?: (_google_protobuf_Timestamp | null);
}

export interface CreatedToken__Output {
  'id': (string);
  'token': (string);
  'spiffeId': (string);
  'expiresAt': (_google_protobuf_Timestamp__Output | null);
}
