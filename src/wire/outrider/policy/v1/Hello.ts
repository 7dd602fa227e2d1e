// From policy/v1/policy.proto

import type { ResourceVersion as _outrider_policy_v1_ResourceVersion, ResourceVersion__Output as _outrider_policy_v1_ResourceVersion__Output } from '../../../outrider/policy/v1/ResourceVersion.ts';
import type { Long } from '@grpc/proto-loader';

export interface Hello {
  'sidecarId'?: (string);
  'programVersion'?: (string);
  'held'?: (_outrider_policy_v1_ResourceVersion)[];
  'revision'?: (number | string | Long);
}

export interface Hello__Output {
  'sidecarId': (string);
  'programVersion': (string);
  'held': (_outrider_policy_v1_ResourceVersion__Output)[];
  'revision': (number);
}
