// From policy/v1/policy.proto

import type { HeaderLocation as _outrider_policy_v1_HeaderLocation, HeaderLocation__Output as _outrider_policy_v1_HeaderLocation__Output } from '../../../outrider/policy/v1/HeaderLocation.ts';

export interface TokenLocation {
  'header'?: (_outrider_policy_v1_HeaderLocation | null);
  'cookie'?: (string);
  'query'?: (string);
  'location'?: "header"|"cookie"|"query";
}

export interface TokenLocation__Output {
  'header'?: (_outrider_policy_v1_HeaderLocation__Output | null);
  'cookie'?: (string);
  'query'?: (string);
  'location'?: "header"|"cookie"|"query";
}
