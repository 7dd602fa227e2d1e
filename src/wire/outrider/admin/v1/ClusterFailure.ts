// From admin/v1/admin.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';

export interface ClusterFailure {
  'type'?: (string);
  'namespace'?: (string);
  'since'?: (_google_protobuf_Timestamp | null);
  'code'?: (string);
  'message'?: (string);
}

export interface ClusterFailure__Output {
  'type': (string);
  'namespace': (string);
  'since': (_google_protobuf_Timestamp__Output | null);
  'code': (string);
  'message': (string);
}
