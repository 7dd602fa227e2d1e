// From admin/v1/admin.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';

// From admin/v1/admin.proto

export const _outrider_admin_v1_ListedSecret_State = {
  STATE_UNSPECIFIED: 'STATE_UNSPECIFIED',
  STATE_GOOD: 'STATE_GOOD',
  STATE_EXPIRED: 'STATE_EXPIRED',
} as const;

export type _outrider_admin_v1_ListedSecret_State =
  | 'STATE_UNSPECIFIED'
  | 0
  | 'STATE_GOOD'
  | 1
  | 'STATE_EXPIRED'
  | 2

export type _outrider_admin_v1_ListedSecret_State__Output = typeof _outrider_admin_v1_ListedSecret_State[keyof typeof _outrider_admin_v1_ListedSecret_State]

export interface ListedSecret {
  'id'?: (string);
  'state'?: (_outrider_admin_v1_ListedSecret_State);
  'createdAt'?: (_google_protobuf_Timestamp | null);
  'notAfter'?: (_google_protobuf_Timestamp | null);
  'lastUsed'?: (_google_protobuf_Timestamp | null);
}

export interface ListedSecret__Output {
  'id': (string);
  'state': (_outrider_admin_v1_ListedSecret_State__Output);
  'createdAt': (_google_protobuf_Timestamp__Output | null);
  'notAfter': (_google_protobuf_Timestamp__Output | null);
  'lastUsed': (_google_protobuf_Timestamp__Output | null);
}
