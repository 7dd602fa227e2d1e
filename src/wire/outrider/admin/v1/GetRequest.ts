// From admin/v1/admin.proto

import type { ResourceRef as _outrider_admin_v1_ResourceRef, ResourceRef__Output as _outrider_admin_v1_ResourceRef__Output } from '../../../outrider/admin/v1/ResourceRef.ts';

export interface GetRequest {
  'ref'?: (_outrider_admin_v1_ResourceRef | null);
}

export interface GetRequest__Output {
  'ref': (_outrider_admin_v1_ResourceRef__Output | null);
}
