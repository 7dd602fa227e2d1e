// From policy/v1/policy.proto

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from '../../../google/protobuf/Duration.ts';
import type { OperationMatch as _outrider_policy_v1_OperationMatch, OperationMatch__Output as _outrider_policy_v1_OperationMatch__Output } from '../../../outrider/policy/v1/OperationMatch.ts';
import type { Long } from '@grpc/proto-loader';

// From policy/v1/policy.proto

export const _outrider_policy_v1_Limit_Key = {
  KEY_UNSPECIFIED: 'KEY_UNSPECIFIED',
  KEY_IDENTITY: 'KEY_IDENTITY',
  KEY_ALL: 'KEY_ALL',
} as const;

export type _outrider_policy_v1_Limit_Key =
  | 'KEY_UNSPECIFIED'
  | 0
  | 'KEY_IDENTITY'
  | 1
  | 'KEY_ALL'
  | 2

export type _outrider_policy_v1_Limit_Key__Output = typeof _outrider_policy_v1_Limit_Key[keyof typeof _outrider_policy_v1_Limit_Key]

export interface Limit {
  'name'?: (string);
  'key'?: (_outrider_policy_v1_Limit_Key);
  'requests'?: (number | string | Long);
  'per'?: (_google_protobuf_Duration | null);
  'burst'?: (number | string | Long);
  'to'?: (_outrider_policy_v1_OperationMatch)[];
}

export interface Limit__Output {
  'name': (string);
  'key': (_outrider_policy_v1_Limit_Key__Output);
  'requests': (number);
  'per': (_google_protobuf_Duration__Output | null);
  'burst': (number);
  'to': (_outrider_policy_v1_OperationMatch__Output)[];
}
