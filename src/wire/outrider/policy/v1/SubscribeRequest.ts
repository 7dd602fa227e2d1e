// From policy/v1/policy.proto

import type { Hello as _outrider_policy_v1_Hello, Hello__Output as _outrider_policy_v1_Hello__Output } from '../../../outrider/policy/v1/Hello.ts';
import type { Ack as _outrider_policy_v1_Ack, Ack__Output as _outrider_policy_v1_Ack__Output } from '../../../outrider/policy/v1/Ack.ts';
import type { Nack as _outrider_policy_v1_Nack, Nack__Output as _outrider_policy_v1_Nack__Output } from '../../../outrider/policy/v1/Nack.ts';
import type { Listening as _outrider_policy_v1_Listening, Listening__Output as _outrider_policy_v1_Listening__Output } from '../../../outrider/policy/v1/Listening.ts';
import type { Draining as _outrider_policy_v1_Draining, Draining__Output as _outrider_policy_v1_Draining__Output } from '../../../outrider/policy/v1/Draining.ts';
import type { TrustReport as _outrider_policy_v1_TrustReport, TrustReport__Output as _outrider_policy_v1_TrustReport__Output } from '../../../outrider/policy/v1/TrustReport.ts';
import type { HealthReport as _outrider_policy_v1_HealthReport, HealthReport__Output as _outrider_policy_v1_HealthReport__Output } from '../../../outrider/policy/v1/HealthReport.ts';
import type { ApiKeyUse as _outrider_policy_v1_ApiKeyUse, ApiKeyUse__Output as _outrider_policy_v1_ApiKeyUse__Output } from '../../../outrider/policy/v1/ApiKeyUse.ts';

export interface SubscribeRequest {
  'hello'?: (_outrider_policy_v1_Hello | null);
  'ack'?: (_outrider_policy_v1_Ack | null);
  'nack'?: (_outrider_policy_v1_Nack | null);
  'listening'?: (_outrider_policy_v1_Listening | null);
  'draining'?: (_outrider_policy_v1_Draining | null);
  'trustReport'?: (_outrider_policy_v1_TrustReport | null);
  'healthReport'?: (_outrider_policy_v1_HealthReport | null);
  'apiKeyUse'?: (_outrider_policy_v1_ApiKeyUse | null);
  'message'?: "hello"|"ack"|"nack"|"listening"|"draining"|"trustReport"|"healthReport"|"apiKeyUse";
}

export interface SubscribeRequest__Output {
  'hello'?: (_outrider_policy_v1_Hello__Output | null);
  'ack'?: (_outrider_policy_v1_Ack__Output | null);
  'nack'?: (_outrider_policy_v1_Nack__Output | null);
  'listening'?: (_outrider_policy_v1_Listening__Output | null);
  'draining'?: (_outrider_policy_v1_Draining__Output | null);
  'trustReport'?: (_outrider_policy_v1_TrustReport__Output | null);
  'healthReport'?: (_outrider_policy_v1_HealthReport__Output | null);
  'apiKeyUse'?: (_outrider_policy_v1_ApiKeyUse__Output | null);
  'message'?: "hello"|"ack"|"nack"|"listening"|"draining"|"trustReport"|"healthReport"|"apiKeyUse";
}
