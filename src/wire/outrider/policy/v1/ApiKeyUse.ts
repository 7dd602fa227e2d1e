// From policy/v1/policy.proto

import type { UsedSecret as _outrider_policy_v1_UsedSecret, UsedSecret__Output as _outrider_policy_v1_UsedSecret__Output } from '../../../outrider/policy/v1/UsedSecret.ts';

export interface ApiKeyUse {
  'secrets'?: (_outrider_policy_v1_UsedSecret)[];
}

export interface ApiKeyUse__Output {
  'secrets': (_outrider_policy_v1_UsedSecret__Output)[];
}
