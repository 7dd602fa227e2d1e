// From policy/v1/policy.proto

import type { SourceMatch as _outrider_policy_v1_SourceMatch, SourceMatch__Output as _outrider_policy_v1_SourceMatch__Output } from '../../../outrider/policy/v1/SourceMatch.ts';
import type { OperationMatch as _outrider_policy_v1_OperationMatch, OperationMatch__Output as _outrider_policy_v1_OperationMatch__Output } from '../../../outrider/policy/v1/OperationMatch.ts';

export interface AuthorizationRule {
  'name'?: (string);
  'from'?: (_outrider_policy_v1_SourceMatch)[];
  'to'?: (_outrider_policy_v1_OperationMatch)[];
}

export interface AuthorizationRule__Output {
  'name': (string);
  'from': (_outrider_policy_v1_SourceMatch__Output)[];
  'to': (_outrider_policy_v1_OperationMatch__Output)[];
}
