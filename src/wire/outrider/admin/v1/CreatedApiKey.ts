// From admin/v1/admin.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';
import type { Long } from '@grpc/proto-loader';

export interface CreatedApiKey {
  'id'?: (string);
  'key'?: (string);
  'revision'?: (number | string | Long);
  'notAfter'?: (_google_protobuf_Timestamp | null);
  'previousNotAfter'?: (_google_protobuf_Timestamp | null);
  'document'?: (string);
}

export interface CreatedApiKey__Output {
  'id': (string);
  'key': (string);
  'revision': (number);
  'notAfter': (_google_protobuf_Timestamp__Output | null);
  'previousNotAfter': (_google_protobuf_Timestamp__Output | null);
  'document': (string);
}
