// From policy/v1/policy.proto

import type { SourceMatch as _outrider_policy_v1_SourceMatch, SourceMatch__Output as _outrider_policy_v1_SourceMatch__Output } from '../../../outrider/policy/v1/SourceMatch.ts';
import type { OperationMatch as _outrider_policy_v1_OperationMatch, OperationMatch__Output as _outrider_policy_v1_OperationMatch__Output } from '../../../outrider/policy/v1/OperationMatch.ts';
import type { Condition as _outrider_policy_v1_Condition, Condition__Output as _outrider_policy_v1_Condition__Output } from '../../../outrider/policy/v1/Condition.ts';

export interface AuthorizationRule {
  'name'?: (string);
  'from'?: (_outrider_policy_v1_SourceMatch)[];
  'to'?: (_outrider_policy_v1_OperationMatch)[];
  'when'?: (_outrider_policy_v1_Condition)[];
  'fieldCount'?: (number);
}

export interface AuthorizationRule__Output {
  'name': (string);
  'from': (_outrider_policy_v1_SourceMatch__Output)[];
  'to': (_outrider_policy_v1_OperationMatch__Output)[];
  'when': (_outrider_policy_v1_Condition__Output)[];
  'fieldCount': (number);
}
