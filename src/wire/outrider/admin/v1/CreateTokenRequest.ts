// From admin/v1/admin.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../../../google/protobuf/Duration.ts';

export interface CreateTokenRequest {
  'namespace'?: (string);
  'workload'?: (string);
  'ttl'?: (_google_protobuf_Duration | null);
}

export interface CreateTokenRequest__Output {
  'namespace': (string);
  'workload': (string);
  'ttl': (_google_protobuf_Duration__Output | null);
}
