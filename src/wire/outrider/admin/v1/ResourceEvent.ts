// From admin/v1/admin.proto

import type { StoredResource as _outrider_admin_v1_StoredResource, StoredResource__Output as _outrider_admin_v1_StoredResource__Output } from '../../../outrider/admin/v1/StoredResource.ts';
import type { Long } from '@grpc/proto-loader';

// From admin/v1/admin.proto

export const _outrider_admin_v1_ResourceEvent_Type = {
  TYPE_UNSPECIFIED: 'TYPE_UNSPECIFIED',
  TYPE_PRESENT: 'TYPE_PRESENT',
  TYPE_BOOKMARK: 'TYPE_BOOKMARK',
  TYPE_CHANGED: 'TYPE_CHANGED',
  TYPE_DELETED: 'TYPE_DELETED',
} as const;

export type _outrider_admin_v1_ResourceEvent_Type =
  | 'TYPE_UNSPECIFIED'
  | 0
  | 'TYPE_PRESENT'
  | 1
  | 'TYPE_BOOKMARK'
  | 2
  | 'TYPE_CHANGED'
  | 3
  | 'TYPE_DELETED'
  | 4

export type _outrider_admin_v1_ResourceEvent_Type__Output = typeof _outrider_admin_v1_ResourceEvent_Type[keyof typeof _outrider_admin_v1_ResourceEvent_Type]

export interface ResourceEvent {
  'type'?: (_outrider_admin_v1_ResourceEvent_Type);
  'revision'?: (number | string | Long);
  'resource'?: (_outrider_admin_v1_StoredResource | null);
}

export interface ResourceEvent__Output {
  'type': (_outrider_admin_v1_ResourceEvent_Type__Output);
  'revision': (number);
  'resource': (_outrider_admin_v1_StoredResource__Output | null);
}
