// From admin/v1/admin.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../../../google/protobuf/Duration.ts';

export interface CreateApiKeyRequest {
  'namespace'?: (string);
  'name'?: (string);
  'owner'?: (string);
  'scopes'?: (string)[];
  'workloads'?: (string)[];
  'lifetime'?: (_google_protobuf_Duration | null);
}

export interface CreateApiKeyRequest__Output {
  'namespace': (string);
  'name': (string);
  'owner': (string);
  'scopes': (string)[];
  'workloads': (string)[];
  'lifetime': (_google_protobuf_Duration__Output | null);
}
