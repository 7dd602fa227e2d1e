// From policy/v1/policy.proto

import type { InboundListener as _outrider_policy_v1_InboundListener, InboundListener__Output as _outrider_policy_v1_InboundListener__Output } from '../../../outrider/policy/v1/InboundListener.ts';

export interface Listening {
  'listeners'?: (_outrider_policy_v1_InboundListener)[];
}

export interface Listening__Output {
  'listeners': (_outrider_policy_v1_InboundListener__Output)[];
}
