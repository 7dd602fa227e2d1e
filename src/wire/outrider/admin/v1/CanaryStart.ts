// From admin/v1/admin.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../../../google/protobuf/Duration.ts';
import type { Long } from '@grpc/proto-loader';

export interface CanaryStart {
  'documents'?: (string)[];
  'percent'?: (number);
  'watch'?: (_google_protobuf_Duration | null);
  'maxDenials'?: (number | string | Long);
  'allowQuiet'?: (boolean);
  '_maxDenials'?: "maxDenials";
}

export interface CanaryStart__Output {
  'documents': (string)[];
  'percent': (number);
  'watch': (_google_protobuf_Duration__Output | null);
  'maxDenials'?: (number);
  'allowQuiet': (boolean);
  '_maxDenials'?: "maxDenials";
}
