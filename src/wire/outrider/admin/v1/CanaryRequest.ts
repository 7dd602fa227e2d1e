// From admin/v1/admin.proto

import type { CanaryStart as _outrider_admin_v1_CanaryStart, CanaryStart__Output as _outrider_admin_v1_CanaryStart__Output } from '../../../outrider/admin/v1/CanaryStart.ts';
import type { CanaryAbort as _outrider_admin_v1_CanaryAbort, CanaryAbort__Output as _outrider_admin_v1_CanaryAbort__Output } from '../../../outrider/admin/v1/CanaryAbort.ts';

export interface CanaryRequest {
  'start'?: (_outrider_admin_v1_CanaryStart | null);
  'abort'?: (_outrider_admin_v1_CanaryAbort | null);
  'message'?: "start"|"abort";
}

export interface CanaryRequest__Output {
  'start'?: (_outrider_admin_v1_CanaryStart__Output | null);
  'abort'?: (_outrider_admin_v1_CanaryAbort__Output | null);
  'message'?: "start"|"abort";
}
