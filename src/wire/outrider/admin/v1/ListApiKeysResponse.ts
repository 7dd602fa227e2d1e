// From admin/v1/admin.proto

import type { ListedApiKey as _outrider_admin_v1_ListedApiKey, ListedApiKey__Output as _outrider_admin_v1_ListedApiKey__Output } from '../../../outrider/admin/v1/ListedApiKey.ts';

export interface ListApiKeysResponse {
  'keys'?: (_outrider_admin_v1_ListedApiKey)[];
}

export interface ListApiKeysResponse__Output {
  'keys': (_outrider_admin_v1_ListedApiKey__Output)[];
}
