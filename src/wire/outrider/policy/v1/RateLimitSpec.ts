// From policy/v1/policy.proto

import type { Limit as _outrider_policy_v1_Limit, Limit__Output as _outrider_policy_v1_Limit__Output } from '../../../outrider/policy/v1/Limit.ts';

export interface RateLimitSpec {
  'workloads'?: (string)[];
  'limits'?: (_outrider_policy_v1_Limit)[];
}

export interface RateLimitSpec__Output {
  'workloads': (string)[];
  'limits': (_outrider_policy_v1_Limit__Output)[];
}
