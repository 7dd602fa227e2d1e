// From policy/v1/policy.proto

import type { ValueMatch as _outrider_policy_v1_ValueMatch, ValueMatch__Output as _outrider_policy_v1_ValueMatch__Output } from '../../../outrider/policy/v1/ValueMatch.ts';
import type { ServerNameMatch as _outrider_policy_v1_ServerNameMatch, ServerNameMatch__Output as _outrider_policy_v1_ServerNameMatch__Output } from '../../../outrider/policy/v1/ServerNameMatch.ts';
import type { TimeMatch as _outrider_policy_v1_TimeMatch, TimeMatch__Output as _outrider_policy_v1_TimeMatch__Output } from '../../../outrider/policy/v1/TimeMatch.ts';

export interface Condition {
  'header'?: (_outrider_policy_v1_ValueMatch | null);
  'claim'?: (_outrider_policy_v1_ValueMatch | null);
  'sni'?: (_outrider_policy_v1_ServerNameMatch | null);
  'time'?: (_outrider_policy_v1_TimeMatch | null);
  'cel'?: (string);
  'condition'?: "header"|"claim"|"sni"|"time"|"cel";
}

export interface Condition__Output {
  'header'?: (_outrider_policy_v1_ValueMatch__Output | null);
  'claim'?: (_outrider_policy_v1_ValueMatch__Output | null);
  'sni'?: (_outrider_policy_v1_ServerNameMatch__Output | null);
  'time'?: (_outrider_policy_v1_TimeMatch__Output | null);
  'cel'?: (string);
  'condition'?: "header"|"claim"|"sni"|"time"|"cel";
}
