// From policy/v1/policy.proto

import type { BundleInForce as _outrider_policy_v1_BundleInForce, BundleInForce__Output as _outrider_policy_v1_BundleInForce__Output } from '../../../outrider/policy/v1/BundleInForce.ts';
import type { AuthorityUse as _outrider_policy_v1_AuthorityUse, AuthorityUse__Output as _outrider_policy_v1_AuthorityUse__Output } from '../../../outrider/policy/v1/AuthorityUse.ts';

export interface TrustReport {
  'bundles'?: (_outrider_policy_v1_BundleInForce)[];
  'svidAuthority'?: (Buffer | Uint8Array | string);
  'uses'?: (_outrider_policy_v1_AuthorityUse)[];
}

export interface TrustReport__Output {
  'bundles': (_outrider_policy_v1_BundleInForce__Output)[];
  'svidAuthority': (Buffer);
  'uses': (_outrider_policy_v1_AuthorityUse__Output)[];
}
