// From admin/v1/admin.proto

import type { ResourceRef as _outrider_admin_v1_ResourceRef, ResourceRef__Output as _outrider_admin_v1_ResourceRef__Output } from '../../../outrider/admin/v1/ResourceRef.ts';
import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';
import type { Long } from '@grpc/proto-loader';

export interface StoredResource {
  'ref'?: (_outrider_admin_v1_ResourceRef | null);
  'revision'?: (number | string | Long);
  'changedAt'?: (_google_protobuf_Timestamp | null);
  'document'?: (string);
}

export interface StoredResource__Output {
  'ref': (_outrider_admin_v1_ResourceRef__Output | null);
  'revision': (number);
  'changedAt': (_google_protobuf_Timestamp__Output | null);
  'document': (string);
}
