// From policy/v1/policy.proto

import type { JwtIssuer as _outrider_policy_v1_JwtIssuer, JwtIssuer__Output as _outrider_policy_v1_JwtIssuer__Output } from '../../../outrider/policy/v1/JwtIssuer.ts';
import type { Introspection as _outrider_policy_v1_Introspection, Introspection__Output as _outrider_policy_v1_Introspection__Output } from '../../../outrider/policy/v1/Introspection.ts';
import type { ApiKeyAcceptance as _outrider_policy_v1_ApiKeyAcceptance, ApiKeyAcceptance__Output as _outrider_policy_v1_ApiKeyAcceptance__Output } from '../../../outrider/policy/v1/ApiKeyAcceptance.ts';

export interface RequestAuthenticationSpec {
  'workloads'?: (string)[];
  'jwt'?: (_outrider_policy_v1_JwtIssuer)[];
  'introspection'?: (_outrider_policy_v1_Introspection)[];
  'apiKeys'?: (_outrider_policy_v1_ApiKeyAcceptance | null);
  'fieldCount'?: (number);
}

export interface RequestAuthenticationSpec__Output {
  'workloads': (string)[];
  'jwt': (_outrider_policy_v1_JwtIssuer__Output)[];
  'introspection': (_outrider_policy_v1_Introspection__Output)[];
  'apiKeys': (_outrider_policy_v1_ApiKeyAcceptance__Output | null);
  'fieldCount': (number);
}
