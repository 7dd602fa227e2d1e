// From identity/v1/identity.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';
import type { TrustBundleSet as _outrider_identity_v1_TrustBundleSet, TrustBundleSet__Output as _outrider_identity_v1_TrustBundleSet__Output } from '../../../outrider/identity/v1/TrustBundleSet.ts';

export interface IssuedSvid {
  'spiffeId'?: (string);
  'chain'?: (Buffer | Uint8Array | string)[];
  'notBefore'?: (_google_protobuf_Timestamp | null);
  'notAfter'?: (_google_protobuf_Timestamp | null);
  'bundles'?: (_outrider_identity_v1_TrustBundleSet | null);
  'serverTime'?: (_google_protobuf_Timestamp | null);
}

export interface IssuedSvid__Output {
  'spiffeId': (string);
  'chain': (Buffer)[];
  'notBefore': (_google_protobuf_Timestamp__Output | null);
  'notAfter': (_google_protobuf_Timestamp__Output | null);
  'bundles': (_outrider_identity_v1_TrustBundleSet__Output | null);
  'serverTime': (_google_protobuf_Timestamp__Output | null);
}
