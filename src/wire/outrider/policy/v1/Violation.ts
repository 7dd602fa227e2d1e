// From policy/v1/policy.proto

import type { ResourceName as _outrider_policy_v1_ResourceName, ResourceName__Output as _outrider_policy_v1_ResourceName__Output } from '../../../outrider/policy/v1/ResourceName.ts';

export interface Violation {
  'resource'?: (_outrider_policy_v1_ResourceName | null);
  'field'?: (string);
  'code'?: (string);
  'message'?: (string);
}

export interface Violation__Output {
  'resource': (_outrider_policy_v1_ResourceName__Output | null);
  'field': (string);
  'code': (string);
  'message': (string);
}
