// From policy/v1/policy.proto

import type { ResourceName as _outrider_policy_v1_ResourceName, ResourceName__Output as _outrider_policy_v1_ResourceName__Output } from '../../../outrider/policy/v1/ResourceName.ts';
import type { AuthorizationPolicySpec as _outrider_policy_v1_AuthorizationPolicySpec, AuthorizationPolicySpec__Output as _outrider_policy_v1_AuthorizationPolicySpec__Output } from '../../../outrider/policy/v1/AuthorizationPolicySpec.ts';
import type { RateLimitSpec as _outrider_policy_v1_RateLimitSpec, RateLimitSpec__Output as _outrider_policy_v1_RateLimitSpec__Output } from '../../../outrider/policy/v1/RateLimitSpec.ts';
import type { ServiceSpec as _outrider_policy_v1_ServiceSpec, ServiceSpec__Output as _outrider_policy_v1_ServiceSpec__Output } from '../../../outrider/policy/v1/ServiceSpec.ts';
import type { WorkloadSpec as _outrider_policy_v1_WorkloadSpec, WorkloadSpec__Output as _outrider_policy_v1_WorkloadSpec__Output } from '../../../outrider/policy/v1/WorkloadSpec.ts';
import type { RevocationSpec as _outrider_policy_v1_RevocationSpec, RevocationSpec__Output as _outrider_policy_v1_RevocationSpec__Output } from '../../../outrider/policy/v1/RevocationSpec.ts';
import type { RequestAuthenticationSpec as _outrider_policy_v1_RequestAuthenticationSpec, RequestAuthenticationSpec__Output as _outrider_policy_v1_RequestAuthenticationSpec__Output } from '../../../outrider/policy/v1/RequestAuthenticationSpec.ts';
import type { ApiKeySpec as _outrider_policy_v1_ApiKeySpec, ApiKeySpec__Output as _outrider_policy_v1_ApiKeySpec__Output } from '../../../outrider/policy/v1/ApiKeySpec.ts';
import type { ExternalAuthorizationSpec as _outrider_policy_v1_ExternalAuthorizationSpec, ExternalAuthorizationSpec__Output as _outrider_policy_v1_ExternalAuthorizationSpec__Output } from '../../../outrider/policy/v1/ExternalAuthorizationSpec.ts';
import type { Long } from '@grpc/proto-loader';

export interface Resource {
  'name'?: (_outrider_policy_v1_ResourceName | null);
  'revision'?: (number | string | Long);
  'authorizationPolicy'?: (_outrider_policy_v1_AuthorizationPolicySpec | null);
  'rateLimit'?: (_outrider_policy_v1_RateLimitSpec | null);
  'service'?: (_outrider_policy_v1_ServiceSpec | null);
  'workload'?: (_outrider_policy_v1_WorkloadSpec | null);
  'revocation'?: (_outrider_policy_v1_RevocationSpec | null);
  'requestAuthentication'?: (_outrider_policy_v1_RequestAuthenticationSpec | null);
  'apiKey'?: (_outrider_policy_v1_ApiKeySpec | null);
  'externalAuthorization'?: (_outrider_policy_v1_ExternalAuthorizationSpec | null);
  'spec'?: "authorizationPolicy"|"rateLimit"|"service"|"workload"|"revocation"|"requestAuthentication"|"apiKey"|"externalAuthorization";
}

export interface Resource__Output {
  'name': (_outrider_policy_v1_ResourceName__Output | null);
  'revision': (number);
  'authorizationPolicy'?: (_outrider_policy_v1_AuthorizationPolicySpec__Output | null);
  'rateLimit'?: (_outrider_policy_v1_RateLimitSpec__Output | null);
  'service'?: (_outrider_policy_v1_ServiceSpec__Output | null);
  'workload'?: (_outrider_policy_v1_WorkloadSpec__Output | null);
  'revocation'?: (_outrider_policy_v1_RevocationSpec__Output | null);
  'requestAuthentication'?: (_outrider_policy_v1_RequestAuthenticationSpec__Output | null);
  'apiKey'?: (_outrider_policy_v1_ApiKeySpec__Output | null);
  'externalAuthorization'?: (_outrider_policy_v1_ExternalAuthorizationSpec__Output | null);
  'spec'?: "authorizationPolicy"|"rateLimit"|"service"|"workload"|"revocation"|"requestAuthentication"|"apiKey"|"externalAuthorization";
}
