// From admin/v1/admin.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';

// From admin/v1/admin.proto

export const _outrider_admin_v1_Authority_State = {
  STATE_UNSPECIFIED: 'STATE_UNSPECIFIED',
  STATE_PREPARED: 'STATE_PREPARED',
  STATE_ACTIVE: 'STATE_ACTIVE',
  STATE_RETIRED: 'STATE_RETIRED',
  STATE_TAINTED: 'STATE_TAINTED',
} as const;

export type _outrider_admin_v1_Authority_State =
  | 'STATE_UNSPECIFIED'
  | 0
  | 'STATE_PREPARED'
  | 1
  | 'STATE_ACTIVE'
  | 2
  | 'STATE_RETIRED'
  | 3
  | 'STATE_TAINTED'
  | 4

export type _outrider_admin_v1_Authority_State__Output = typeof _outrider_admin_v1_Authority_State[keyof typeof _outrider_admin_v1_Authority_State]

export interface Authority {
  'fingerprint'?: (string);
  'state'?: (_outrider_admin_v1_Authority_State);
  'since'?: (_google_protobuf_Timestamp | null);
  'notAfter'?: (_google_protobuf_Timestamp | null);
  'signersNotAfter'?: (_google_protobuf_Timestamp | null);
  'keyElsewhere'?: (boolean);
  'sidecars'?: (number);
  'connections'?: (number);
  'dependents'?: (string)[];
  'control'?: (boolean);
}

export interface Authority__Output {
  'fingerprint': (string);
  'state': (_outrider_admin_v1_Authority_State__Output);
  'since': (_google_protobuf_Timestamp__Output | null);
  'notAfter': (_google_protobuf_Timestamp__Output | null);
  'signersNotAfter': (_google_protobuf_Timestamp__Output | null);
  'keyElsewhere': (boolean);
  'sidecars': (number);
  'connections': (number);
  'dependents': (string)[];
  'control': (boolean);
}
