// From policy/v1/policy.proto

import type { TokenAcceptance as _outrider_policy_v1_TokenAcceptance, TokenAcceptance__Output as _outrider_policy_v1_TokenAcceptance__Output } from '../../../outrider/policy/v1/TokenAcceptance.ts';
import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../../../google/protobuf/Duration.ts';
import type { PublishedKeys as _outrider_policy_v1_PublishedKeys, PublishedKeys__Output as _outrider_policy_v1_PublishedKeys__Output } from '../../../outrider/policy/v1/PublishedKeys.ts';

export interface JwtIssuer {
  'acceptance'?: (_outrider_policy_v1_TokenAcceptance | null);
  'issuer'?: (string);
  'audiences'?: (string)[];
  'algorithms'?: (string)[];
  'clockSkew'?: (_google_protobuf_Duration | null);
  'jwks'?: (string);
  'published'?: (_outrider_policy_v1_PublishedKeys | null);
  'keys'?: "jwks"|"published";
}

export interface JwtIssuer__Output {
  'acceptance': (_outrider_policy_v1_TokenAcceptance__Output | null);
  'issuer': (string);
  'audiences': (string)[];
  'algorithms': (string)[];
  'clockSkew': (_google_protobuf_Duration__Output | null);
  'jwks'?: (string);
  'published'?: (_outrider_policy_v1_PublishedKeys__Output | null);
  'keys'?: "jwks"|"published";
}
