// From identity/v1/identity.proto

import type { TrustBundle as _outrider_identity_v1_TrustBundle, TrustBundle__Output as _outrider_identity_v1_TrustBundle__Output } from '../../../outrider/identity/v1/TrustBundle.ts';

export interface TrustBundleSet {
  'bundles'?: (_outrider_identity_v1_TrustBundle)[];
}

export interface TrustBundleSet__Output {
  'bundles': (_outrider_identity_v1_TrustBundle__Output)[];
}
