// From policy/v1/policy.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';

export interface UsedSecret {
  'id'?: (string);
  'lastUsed'?: (_google_protobuf_Timestamp | null);
}

export interface UsedSecret__Output {
  'id': (string);
  'lastUsed': (_google_protobuf_Timestamp__Output | null);
}
