// From policy/v1/policy.proto

import type { BundleInForce as _outrider_policy_v1_BundleInForce, BundleInForce__Output as _outrider_policy_v1_BundleInForce__Output } from '../../../outrider/policy/v1/BundleInForce.ts';
import type { AuthorityUse as _outrider_policy_v1_AuthorityUse, AuthorityUse__Output as _outrider_policy_v1_AuthorityUse__Output } from '../../../outrider/policy/v1/AuthorityUse.ts';
import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';

export interface TrustReport {
  'bundles'?: (_outrider_policy_v1_BundleInForce)[];
  'svidAuthority'?: (Buffer | Uint8Array | string);
  'uses'?: (_outrider_policy_v1_AuthorityUse)[];
  'at'?: (_google_protobuf_Timestamp | null);
}

export interface TrustReport__Output {
  'bundles': (_outrider_policy_v1_BundleInForce__Output)[];
  'svidAuthority': (Buffer);
  'uses': (_outrider_policy_v1_AuthorityUse__Output)[];
  'at': (_google_protobuf_Timestamp__Output | null);
}
