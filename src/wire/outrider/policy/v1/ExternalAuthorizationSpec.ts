// From policy/v1/policy.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../../../google/protobuf/Duration.ts';
import type { OperationMatch as _outrider_policy_v1_OperationMatch, OperationMatch__Output as _outrider_policy_v1_OperationMatch__Output } from '../../../outrider/policy/v1/OperationMatch.ts';

// From policy/v1/policy.proto

export const _outrider_policy_v1_ExternalAuthorizationSpec_OnFailure = {
  ON_FAILURE_UNSPECIFIED: 'ON_FAILURE_UNSPECIFIED',
  ON_FAILURE_DENY: 'ON_FAILURE_DENY',
  ON_FAILURE_ALLOW: 'ON_FAILURE_ALLOW',
} as const;

export type _outrider_policy_v1_ExternalAuthorizationSpec_OnFailure =
  | 'ON_FAILURE_UNSPECIFIED'
  | 0
  | 'ON_FAILURE_DENY'
  | 1
  | 'ON_FAILURE_ALLOW'
  | 2

export type _outrider_policy_v1_ExternalAuthorizationSpec_OnFailure__Output = typeof _outrider_policy_v1_ExternalAuthorizationSpec_OnFailure[keyof typeof _outrider_policy_v1_ExternalAuthorizationSpec_OnFailure]

export interface ExternalAuthorizationSpec {
  'workloads'?: (string)[];
  'address'?: (string);
  'spiffeId'?: (string);
  'timeout'?: (_google_protobuf_Duration | null);
  'onFailure'?: (_outrider_policy_v1_ExternalAuthorizationSpec_OnFailure);
  'to'?: (_outrider_policy_v1_OperationMatch)[];
  'headers'?: (string)[];
  'someHeaders'?: (boolean);
}

export interface ExternalAuthorizationSpec__Output {
  'workloads': (string)[];
  'address': (string);
  'spiffeId': (string);
  'timeout': (_google_protobuf_Duration__Output | null);
  'onFailure': (_outrider_policy_v1_ExternalAuthorizationSpec_OnFailure__Output);
  'to': (_outrider_policy_v1_OperationMatch__Output)[];
  'headers': (string)[];
  'someHeaders': (boolean);
}
