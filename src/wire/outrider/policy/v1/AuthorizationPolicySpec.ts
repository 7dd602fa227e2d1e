// From policy/v1/policy.proto

import type { AuthorizationRule as _outrider_policy_v1_AuthorizationRule, AuthorizationRule__Output as _outrider_policy_v1_AuthorizationRule__Output } from '../../../outrider/policy/v1/AuthorizationRule.ts';

// From policy/v1/policy.proto

export const _outrider_policy_v1_AuthorizationPolicySpec_Action = {
  ACTION_UNSPECIFIED: 'ACTION_UNSPECIFIED',
  ACTION_ALLOW: 'ACTION_ALLOW',
  ACTION_DENY: 'ACTION_DENY',
} as const;

export type _outrider_policy_v1_AuthorizationPolicySpec_Action =
  | 'ACTION_UNSPECIFIED'
  | 0
  | 'ACTION_ALLOW'
  | 1
  | 'ACTION_DENY'
  | 2

export type _outrider_policy_v1_AuthorizationPolicySpec_Action__Output = typeof _outrider_policy_v1_AuthorizationPolicySpec_Action[keyof typeof _outrider_policy_v1_AuthorizationPolicySpec_Action]

export interface AuthorizationPolicySpec {
  'workloads'?: (string)[];
  'action'?: (_outrider_policy_v1_AuthorizationPolicySpec_Action);
  'rules'?: (_outrider_policy_v1_AuthorizationRule)[];
}

export interface AuthorizationPolicySpec__Output {
  'workloads': (string)[];
  'action': (_outrider_policy_v1_AuthorizationPolicySpec_Action__Output);
  'rules': (_outrider_policy_v1_AuthorizationRule__Output)[];
}
