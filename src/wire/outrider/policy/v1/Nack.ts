// From policy/v1/policy.proto

import type { Violation as _outrider_policy_v1_Violation, Violation__Output as _outrider_policy_v1_Violation__Output } from '../../../outrider/policy/v1/Violation.ts';
import type { Long } from '@grpc/proto-loader';

export interface Nack {
  'nonce'?: (string);
  'revision'?: (number | string | Long);
  'violations'?: (_outrider_policy_v1_Violation)[];
}

export interface Nack__Output {
  'nonce': (string);
  'revision': (number);
  'violations': (_outrider_policy_v1_Violation__Output)[];
}
