// From policy/v1/policy.proto

import type { TokenLocation as _outrider_policy_v1_TokenLocation, TokenLocation__Output as _outrider_policy_v1_TokenLocation__Output } from '../../../outrider/policy/v1/TokenLocation.ts';

export interface ApiKeyAcceptance {
  'from'?: (_outrider_policy_v1_TokenLocation)[];
  'forward'?: (boolean);
}

export interface ApiKeyAcceptance__Output {
  'from': (_outrider_policy_v1_TokenLocation__Output)[];
  'forward': (boolean);
}
