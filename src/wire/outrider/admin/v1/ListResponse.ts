// From admin/v1/admin.proto

import type { StoredResource as _outrider_admin_v1_StoredResource, StoredResource__Output as _outrider_admin_v1_StoredResource__Output } from '../../../outrider/admin/v1/StoredResource.ts';
import type { Long } from '@grpc/proto-loader';

export interface ListResponse {
  'revision'?: (number | string | Long);
  'resources'?: (_outrider_admin_v1_StoredResource)[];
}

export interface ListResponse__Output {
  'revision': (number);
  'resources': (_outrider_admin_v1_StoredResource__Output)[];
}
