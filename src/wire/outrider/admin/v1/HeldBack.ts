// From admin/v1/admin.proto

import type { ResourceRef as _outrider_admin_v1_ResourceRef, ResourceRef__Output as _outrider_admin_v1_ResourceRef__Output } from '../../../outrider/admin/v1/ResourceRef.ts';

export interface HeldBack {
  'ref'?: (_outrider_admin_v1_ResourceRef | null);
  'code'?: (string);
  'message'?: (string);
}

export interface HeldBack__Output {
  'ref': (_outrider_admin_v1_ResourceRef__Output | null);
  'code': (string);
  'message': (string);
}
