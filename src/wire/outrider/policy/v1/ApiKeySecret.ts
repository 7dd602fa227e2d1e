// From policy/v1/policy.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';

export interface ApiKeySecret {
  'id'?: (string);
  'salt'?: (string);
  'hash'?: (string);
  'createdAt'?: (_google_protobuf_Timestamp | null);
  'notAfter'?: (_google_protobuf_Timestamp | null);
}

export interface ApiKeySecret__Output {
  'id': (string);
  'salt': (string);
  'hash': (string);
  'createdAt': (_google_protobuf_Timestamp__Output | null);
  'notAfter': (_google_protobuf_Timestamp__Output | null);
}
