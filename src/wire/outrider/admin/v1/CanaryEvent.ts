// From admin/v1/admin.proto

import type { CanarySidecar as _outrider_admin_v1_CanarySidecar, CanarySidecar__Output as _outrider_admin_v1_CanarySidecar__Output } from '../../../outrider/admin/v1/CanarySidecar.ts';
import type { CanaryHealth as _outrider_admin_v1_CanaryHealth, CanaryHealth__Output as _outrider_admin_v1_CanaryHealth__Output } from '../../../outrider/admin/v1/CanaryHealth.ts';
import type { CanaryReason as _outrider_admin_v1_CanaryReason, CanaryReason__Output as _outrider_admin_v1_CanaryReason__Output } from '../../../outrider/admin/v1/CanaryReason.ts';
import type { ApplyOutcome as _outrider_admin_v1_ApplyOutcome, ApplyOutcome__Output as _outrider_admin_v1_ApplyOutcome__Output } from '../../../outrider/admin/v1/ApplyOutcome.ts';
import type { Long } from '@grpc/proto-loader';

// From admin/v1/admin.proto

export const _outrider_admin_v1_CanaryEvent_Step = {
  STEP_UNSPECIFIED: 'STEP_UNSPECIFIED',
  STEP_STARTED: 'STEP_STARTED',
  STEP_PUSHED: 'STEP_PUSHED',
  STEP_WATCHING: 'STEP_WATCHING',
  STEP_HEALTH: 'STEP_HEALTH',
  STEP_PROMOTED: 'STEP_PROMOTED',
  STEP_ROLLING_BACK: 'STEP_ROLLING_BACK',
  STEP_ROLLED_BACK: 'STEP_ROLLED_BACK',
} as const;

export type _outrider_admin_v1_CanaryEvent_Step =
  | 'STEP_UNSPECIFIED'
  | 0
  | 'STEP_STARTED'
  | 1
  | 'STEP_PUSHED'
  | 2
  | 'STEP_WATCHING'
  | 3
  | 'STEP_HEALTH'
  | 4
  | 'STEP_PROMOTED'
  | 5
  | 'STEP_ROLLING_BACK'
  | 6
  | 'STEP_ROLLED_BACK'
  | 7

export type _outrider_admin_v1_CanaryEvent_Step__Output = typeof _outrider_admin_v1_CanaryEvent_Step[keyof typeof _outrider_admin_v1_CanaryEvent_Step]

export interface CanaryEvent {
  'step'?: (_outrider_admin_v1_CanaryEvent_Step);
  'revision'?: (number | string | Long);
  'canaries'?: (_outrider_admin_v1_CanarySidecar)[];
  'withoutCanary'?: (string)[];
  'health'?: (_outrider_admin_v1_CanaryHealth)[];
  'reasons'?: (_outrider_admin_v1_CanaryReason)[];
  'outcomes'?: (_outrider_admin_v1_ApplyOutcome)[];
  'unsettled'?: (number);
}

export interface CanaryEvent__Output {
  'step': (_outrider_admin_v1_CanaryEvent_Step__Output);
  'revision': (number);
  'canaries': (_outrider_admin_v1_CanarySidecar__Output)[];
  'withoutCanary': (string)[];
  'health': (_outrider_admin_v1_CanaryHealth__Output)[];
  'reasons': (_outrider_admin_v1_CanaryReason__Output)[];
  'outcomes': (_outrider_admin_v1_ApplyOutcome__Output)[];
  'unsettled': (number);
}
