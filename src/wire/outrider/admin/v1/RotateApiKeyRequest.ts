// From admin/v1/admin.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../../../google/protobuf/Duration.ts';

export interface RotateApiKeyRequest {
  'namespace'?: (string);
  'name'?: (string);
  'overlap'?: (_google_protobuf_Duration | null);
  'lifetime'?: (_google_protobuf_Duration | null);
}

export interface RotateApiKeyRequest__Output {
  'namespace': (string);
  'name': (string);
  'overlap': (_google_protobuf_Duration__Output | null);
  'lifetime': (_google_protobuf_Duration__Output | null);
}
