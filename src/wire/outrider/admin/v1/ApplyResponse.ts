// From admin/v1/admin.proto

import type { ApplyOutcome as _outrider_admin_v1_ApplyOutcome, ApplyOutcome__Output as _outrider_admin_v1_ApplyOutcome__Output } from '../../../outrider/admin/v1/ApplyOutcome.ts';
import type { Long } from '@grpc/proto-loader';

export interface ApplyResponse {
  'revision'?: (number | string | Long);
  'outcomes'?: (_outrider_admin_v1_ApplyOutcome)[];
}

export interface ApplyResponse__Output {
  'revision': (number);
  'outcomes': (_outrider_admin_v1_ApplyOutcome__Output)[];
}
