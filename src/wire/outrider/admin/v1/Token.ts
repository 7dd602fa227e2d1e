// From admin/v1/admin.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';

// From admin/v1/admin.proto

export const _outrider_admin_v1_Token_State = {
  STATE_UNSPECIFIED: 'STATE_UNSPECIFIED',
  STATE_UNUSED: 'STATE_UNUSED',
  STATE_USED: 'STATE_USED',
  STATE_EXPIRED: 'STATE_EXPIRED',
  STATE_REVOKED: 'STATE_REVOKED',
} as const;

export type _outrider_admin_v1_Token_State =
  | 'STATE_UNSPECIFIED'
  | 0
  | 'STATE_UNUSED'
  | 1
  | 'STATE_USED'
  | 2
  | 'STATE_EXPIRED'
  | 3
  | 'STATE_REVOKED'
  | 4

export type _outrider_admin_v1_Token_State__Output = typeof _outrider_admin_v1_Token_State[keyof typeof _outrider_admin_v1_Token_State]

export interface Token {
  'id'?: (string);
  'spiffeId'?: (string);
  'state'?: (_outrider_admin_v1_Token_State);
  'expiresAt'?: (_google_protobuf_Timestamp | null);
}

export interface Token__Output {
  'id': (string);
  'spiffeId': (string);
  'state': (_outrider_admin_v1_Token_State__Output);
  'expiresAt': (_google_protobuf_Timestamp__Output | null);
}
