// From policy/v1/policy.proto

import type { TokenLocation as _outrider_policy_v1_TokenLocation, TokenLocation__Output as _outrider_policy_v1_TokenLocation__Output } from '../../../outrider/policy/v1/TokenLocation.ts';
import type { ClaimToHeader as _outrider_policy_v1_ClaimToHeader, ClaimToHeader__Output as _outrider_policy_v1_ClaimToHeader__Output } from '../../../outrider/policy/v1/ClaimToHeader.ts';

// From policy/v1/policy.proto

export const _outrider_policy_v1_TokenAcceptance_Binding = {
  BINDING_UNSPECIFIED: 'BINDING_UNSPECIFIED',
  BINDING_CERTIFICATE: 'BINDING_CERTIFICATE',
  BINDING_DPOP: 'BINDING_DPOP',
  BINDING_ANY: 'BINDING_ANY',
} as const;

export type _outrider_policy_v1_TokenAcceptance_Binding =
  | 'BINDING_UNSPECIFIED'
  | 0
  | 'BINDING_CERTIFICATE'
  | 1
  | 'BINDING_DPOP'
  | 2
  | 'BINDING_ANY'
  | 3

export type _outrider_policy_v1_TokenAcceptance_Binding__Output = typeof _outrider_policy_v1_TokenAcceptance_Binding[keyof typeof _outrider_policy_v1_TokenAcceptance_Binding]

export interface TokenAcceptance {
  'from'?: (_outrider_policy_v1_TokenLocation)[];
  'forward'?: (boolean);
  'claimsToHeaders'?: (_outrider_policy_v1_ClaimToHeader)[];
  'binding'?: (_outrider_policy_v1_TokenAcceptance_Binding);
}

export interface TokenAcceptance__Output {
  'from': (_outrider_policy_v1_TokenLocation__Output)[];
  'forward': (boolean);
  'claimsToHeaders': (_outrider_policy_v1_ClaimToHeader__Output)[];
  'binding': (_outrider_policy_v1_TokenAcceptance_Binding__Output);
}
