// From policy/v1/policy.proto

import type { Long } from '@grpc/proto-loader';

export interface Ack {
  'nonce'?: (string);
  'revision'?: (number | string | Long);
}

export interface Ack__Output {
  'nonce': (string);
  'revision': (number);
}
