// From policy/v1/policy.proto

import type { Long } from '@grpc/proto-loader';

export interface HealthReport {
  'revision'?: (number | string | Long);
  'requests'?: (number | string | Long);
  'denied'?: (number | string | Long);
  'appErrors'?: (number | string | Long);
  'ownErrors'?: (number | string | Long);
}

export interface HealthReport__Output {
  'revision': (number);
  'requests': (number);
  'denied': (number);
  'appErrors': (number);
  'ownErrors': (number);
}
