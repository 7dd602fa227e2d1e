// From admin/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface RevokeApiKeyResponse {
  'ids'?: (string)[];
  'revision'?: (number | string | Long);
  'document'?: (string);
}

export interface RevokeApiKeyResponse__Output {
  'ids': (string)[];
  'revision': (number);
  'document': (string);
}
