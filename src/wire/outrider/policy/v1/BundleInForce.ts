// From policy/v1/policy.proto

import type { Long } from '@grpc/proto-loader';

export interface BundleInForce {
  'trustDomain'?: (string);
  'sequence'?: (number | string | Long);
}

export interface BundleInForce__Output {
  'trustDomain': (string);
  'sequence': (number);
}
