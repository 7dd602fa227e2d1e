// From admin/v1/admin.proto

import type { ResourceRef as _outrider_admin_v1_ResourceRef, ResourceRef__Output as _outrider_admin_v1_ResourceRef__Output } from '../../../outrider/admin/v1/ResourceRef.ts';

// From admin/v1/admin.proto

export const _outrider_admin_v1_ApplyOutcome_Change = {
  CHANGE_UNSPECIFIED: 'CHANGE_UNSPECIFIED',
  CHANGE_CREATED: 'CHANGE_CREATED',
  CHANGE_CONFIGURED: 'CHANGE_CONFIGURED',
  CHANGE_UNCHANGED: 'CHANGE_UNCHANGED',
} as const;

export type _outrider_admin_v1_ApplyOutcome_Change =
  | 'CHANGE_UNSPECIFIED'
  | 0
  | 'CHANGE_CREATED'
  | 1
  | 'CHANGE_CONFIGURED'
  | 2
  | 'CHANGE_UNCHANGED'
  | 3

export type _outrider_admin_v1_ApplyOutcome_Change__Output = typeof _outrider_admin_v1_ApplyOutcome_Change[keyof typeof _outrider_admin_v1_ApplyOutcome_Change]

export interface ApplyOutcome {
  'ref'?: (_outrider_admin_v1_ResourceRef | null);
  'change'?: (_outrider_admin_v1_ApplyOutcome_Change);
}

export interface ApplyOutcome__Output {
  'ref': (_outrider_admin_v1_ResourceRef__Output | null);
  'change': (_outrider_admin_v1_ApplyOutcome_Change__Output);
}
