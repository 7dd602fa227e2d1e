// From admin/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface DeleteResponse {
  'revision'?: (number | string | Long);
}

export interface DeleteResponse__Output {
  'revision': (number);
}
