// From policy/v1/policy.proto

import type { Resource as _outrider_policy_v1_Resource, Resource__Output as _outrider_policy_v1_Resource__Output } from '../../../outrider/policy/v1/Resource.ts';
import type { ResourceName as _outrider_policy_v1_ResourceName, ResourceName__Output as _outrider_policy_v1_ResourceName__Output } from '../../../outrider/policy/v1/ResourceName.ts';
import type { Long } from '@grpc/proto-loader';

export interface PolicyUpdate {
  'revision'?: (number | string | Long);
  'nonce'?: (string);
  'changed'?: (_outrider_policy_v1_Resource)[];
  'removed'?: (_outrider_policy_v1_ResourceName)[];
  'reportHealthEveryMs'?: (number);
}

export interface PolicyUpdate__Output {
  'revision': (number);
  'nonce': (string);
  'changed': (_outrider_policy_v1_Resource__Output)[];
  'removed': (_outrider_policy_v1_ResourceName__Output)[];
  'reportHealthEveryMs': (number);
}
