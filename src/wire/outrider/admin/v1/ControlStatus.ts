// From admin/v1/admin.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';
import type { FederatedDomain as _outrider_admin_v1_FederatedDomain, FederatedDomain__Output as _outrider_admin_v1_FederatedDomain__Output } from '../../../outrider/admin/v1/FederatedDomain.ts';
import type { ClusterState as _outrider_admin_v1_ClusterState, ClusterState__Output as _outrider_admin_v1_ClusterState__Output } from '../../../outrider/admin/v1/ClusterState.ts';
import type { Long } from '@grpc/proto-loader';

export interface ControlStatus {
  'trustDomain'?: (string);
  'revision'?: (number | string | Long);
  'programVersion'?: (string);
  'startedAt'?: (_google_protobuf_Timestamp | null);
  'rootFingerprint'?: (string);
  'rootNotAfter'?: (_google_protobuf_Timestamp | null);
  'intermediateNotAfter'?: (_google_protobuf_Timestamp | null);
  'connectedSidecars'?: (number);
  'grpcAddress'?: (string);
  'bundleEndpoint'?: (string);
  'federation'?: (_outrider_admin_v1_FederatedDomain)[];
  'kubernetes'?: (_outrider_admin_v1_ClusterState | null);
}

export interface ControlStatus__Output {
  'trustDomain': (string);
  'revision': (number);
  'programVersion': (string);
  'startedAt': (_google_protobuf_Timestamp__Output | null);
  'rootFingerprint': (string);
  'rootNotAfter': (_google_protobuf_Timestamp__Output | null);
  'intermediateNotAfter': (_google_protobuf_Timestamp__Output | null);
  'connectedSidecars': (number);
  'grpcAddress': (string);
  'bundleEndpoint': (string);
  'federation': (_outrider_admin_v1_FederatedDomain__Output)[];
  'kubernetes': (_outrider_admin_v1_ClusterState__Output | null);
}
