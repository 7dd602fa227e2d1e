// From policy/v1/policy.proto

import type { ApiKeySecret as _outrider_policy_v1_ApiKeySecret, ApiKeySecret__Output as _outrider_policy_v1_ApiKeySecret__Output } from '../../../outrider/policy/v1/ApiKeySecret.ts';

export interface ApiKeySpec {
  'workloads'?: (string)[];
  'owner'?: (string);
  'scopes'?: (string)[];
  'secrets'?: (_outrider_policy_v1_ApiKeySecret)[];
}

export interface ApiKeySpec__Output {
  'workloads': (string)[];
  'owner': (string);
  'scopes': (string)[];
  'secrets': (_outrider_policy_v1_ApiKeySecret__Output)[];
}
