// From policy/v1/policy.proto

import type { TokenAcceptance as _outrider_policy_v1_TokenAcceptance, TokenAcceptance__Output as _outrider_policy_v1_TokenAcceptance__Output } from '../../../outrider/policy/v1/TokenAcceptance.ts';
import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../../../google/protobuf/Duration.ts';

export interface Introspection {
  'acceptance'?: (_outrider_policy_v1_TokenAcceptance | null);
  'endpoint'?: (string);
  'issuer'?: (string);
  'audiences'?: (string)[];
  'clientId'?: (string);
  'clientSecret'?: (string);
  'cache'?: (_google_protobuf_Duration | null);
  'timeout'?: (_google_protobuf_Duration | null);
}

export interface Introspection__Output {
  'acceptance': (_outrider_policy_v1_TokenAcceptance__Output | null);
  'endpoint': (string);
  'issuer': (string);
  'audiences': (string)[];
  'clientId': (string);
  'clientSecret': (string);
  'cache': (_google_protobuf_Duration__Output | null);
  'timeout': (_google_protobuf_Duration__Output | null);
}
