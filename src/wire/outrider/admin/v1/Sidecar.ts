// From admin/v1/admin.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';
import type { Long } from '@grpc/proto-loader';

// From admin/v1/admin.proto

export const _outrider_admin_v1_Sidecar_State = {
  STATE_UNSPECIFIED: 'STATE_UNSPECIFIED',
  STATE_SYNCED: 'STATE_SYNCED',
  STATE_PENDING: 'STATE_PENDING',
  STATE_NACKED: 'STATE_NACKED',
  STATE_DRAINING: 'STATE_DRAINING',
  STATE_DISCONNECTED: 'STATE_DISCONNECTED',
  STATE_LAGGING: 'STATE_LAGGING',
} as const;

export type _outrider_admin_v1_Sidecar_State =
  | 'STATE_UNSPECIFIED'
  | 0
  | 'STATE_SYNCED'
  | 1
  | 'STATE_PENDING'
  | 2
  | 'STATE_NACKED'
  | 3
  | 'STATE_DRAINING'
  | 4
  | 'STATE_DISCONNECTED'
  | 5
  | 'STATE_LAGGING'
  | 6

export type _outrider_admin_v1_Sidecar_State__Output = typeof _outrider_admin_v1_Sidecar_State[keyof typeof _outrider_admin_v1_Sidecar_State]

export interface Sidecar {
  'sidecarId'?: (string);
  'spiffeId'?: (string);
  'state'?: (_outrider_admin_v1_Sidecar_State);
  'appliedRevision'?: (number | string | Long);
  'sentRevision'?: (number | string | Long);
  'connectedAt'?: (_google_protobuf_Timestamp | null);
  'lastSeen'?: (_google_protobuf_Timestamp | null);
  'svidNotAfter'?: (_google_protobuf_Timestamp | null);
  'programVersion'?: (string);
  'listeners'?: (string)[];
  'violations'?: (string)[];
  'clockAheadMs'?: (number | string | Long);
  'svidNotBefore'?: (_google_protobuf_Timestamp | null);
  'pendingMs'?: (number | string | Long);
  'canary'?: (boolean);
}

export interface Sidecar__Output {
  'sidecarId': (string);
  'spiffeId': (string);
  'state': (_outrider_admin_v1_Sidecar_State__Output);
  'appliedRevision': (number);
  'sentRevision': (number);
  'connectedAt': (_google_protobuf_Timestamp__Output | null);
  'lastSeen': (_google_protobuf_Timestamp__Output | null);
  'svidNotAfter': (_google_protobuf_Timestamp__Output | null);
  'programVersion': (string);
  'listeners': (string)[];
  'violations': (string)[];
  'clockAheadMs': (number);
  'svidNotBefore': (_google_protobuf_Timestamp__Output | null);
  'pendingMs': (number);
  'canary': (boolean);
}
