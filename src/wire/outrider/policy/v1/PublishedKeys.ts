// From policy/v1/policy.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../../../google/protobuf/Duration.ts';

export interface PublishedKeys {
  'uri'?: (string);
  'refresh'?: (_google_protobuf_Duration | null);
  'stale'?: (_google_protobuf_Duration | null);
}

export interface PublishedKeys__Output {
  'uri': (string);
  'refresh': (_google_protobuf_Duration__Output | null);
  'stale': (_google_protobuf_Duration__Output | null);
}
