// From policy/v1/policy.proto

import type { ResourceName as _outrider_policy_v1_ResourceName, ResourceName__Output as _outrider_policy_v1_ResourceName__Output } from '../../../outrider/policy/v1/ResourceName.ts';
import type { Long } from '@grpc/proto-loader';

export interface EncodedPolicyUpdate {
  'revision'?: (number | string | Long);
  'nonce'?: (string);
  'changed'?: (Buffer | Uint8Array | string)[];
  'removed'?: (_outrider_policy_v1_ResourceName)[];
  'reportHealthEveryMs'?: (number);
}

export interface EncodedPolicyUpdate__Output {
  'revision': (number);
  'nonce': (string);
  'changed': (Buffer)[];
  'removed': (_outrider_policy_v1_ResourceName__Output)[];
  'reportHealthEveryMs': (number);
}
