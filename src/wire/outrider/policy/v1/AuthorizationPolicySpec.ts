// From policy/v1/policy.proto

import type { AuthorizationRule as _outrider_policy_v1_AuthorizationRule, AuthorizationRule__Output as _outrider_policy_v1_AuthorizationRule__Output } from '../../../outrider/policy/v1/AuthorizationRule.ts';
import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';

// From policy/v1/policy.proto

export const _outrider_policy_v1_AuthorizationPolicySpec_Action = {
  ACTION_UNSPECIFIED: 'ACTION_UNSPECIFIED',
  ACTION_ALLOW: 'ACTION_ALLOW',
  ACTION_DENY: 'ACTION_DENY',
  ACTION_AUDIT: 'ACTION_AUDIT',
} as const;

export type _outrider_policy_v1_AuthorizationPolicySpec_Action =
  | 'ACTION_UNSPECIFIED'
  | 0
  | 'ACTION_ALLOW'
  | 1
  | 'ACTION_DENY'
  | 2
  | 'ACTION_AUDIT'
  | 3

export type _outrider_policy_v1_AuthorizationPolicySpec_Action__Output = typeof _outrider_policy_v1_AuthorizationPolicySpec_Action[keyof typeof _outrider_policy_v1_AuthorizationPolicySpec_Action]

export interface AuthorizationPolicySpec {
  'workloads'?: (string)[];
  'action'?: (_outrider_policy_v1_AuthorizationPolicySpec_Action);
  'rules'?: (_outrider_policy_v1_AuthorizationRule)[];
  'dryRun'?: (boolean);
  'notBefore'?: (_google_protobuf_Timestamp | null);
  'notAfter'?: (_google_protobuf_Timestamp | null);
  'reason'?: (string);
  'approver'?: (string);
  'fieldCount'?: (number);
}

export interface AuthorizationPolicySpec__Output {
  'workloads': (string)[];
  'action': (_outrider_policy_v1_AuthorizationPolicySpec_Action__Output);
  'rules': (_outrider_policy_v1_AuthorizationRule__Output)[];
  'dryRun': (boolean);
  'notBefore': (_google_protobuf_Timestamp__Output | null);
  'notAfter': (_google_protobuf_Timestamp__Output | null);
  'reason': (string);
  'approver': (string);
  'fieldCount': (number);
}
