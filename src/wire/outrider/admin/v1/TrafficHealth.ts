// From admin/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface TrafficHealth {
  'requests'?: (number | string | Long);
  'denied'?: (number | string | Long);
  'appErrors'?: (number | string | Long);
  'ownErrors'?: (number | string | Long);
}

export interface TrafficHealth__Output {
  'requests': (number);
  'denied': (number);
  'appErrors': (number);
  'ownErrors': (number);
}
