// From policy/v1/policy.proto

import type { ResourceName as _outrider_policy_v1_ResourceName, ResourceName__Output as _outrider_policy_v1_ResourceName__Output } from '../../../outrider/policy/v1/ResourceName.ts';
import type { Long } from '@grpc/proto-loader';

export interface ResourceVersion {
  'name'?: (_outrider_policy_v1_ResourceName | null);
  'revision'?: (number | string | Long);
}

export interface ResourceVersion__Output {
  'name': (_outrider_policy_v1_ResourceName__Output | null);
  'revision': (number);
}
