// From admin/v1/admin.proto

import type { Sidecar as _outrider_admin_v1_Sidecar, Sidecar__Output as _outrider_admin_v1_Sidecar__Output } from '../../../outrider/admin/v1/Sidecar.ts';

export interface ListSidecarsResponse {
  'sidecars'?: (_outrider_admin_v1_Sidecar)[];
}

export interface ListSidecarsResponse__Output {
  'sidecars': (_outrider_admin_v1_Sidecar__Output)[];
}
