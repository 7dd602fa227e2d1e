// From admin/v1/admin.proto

import type { ListedSecret as _outrider_admin_v1_ListedSecret, ListedSecret__Output as _outrider_admin_v1_ListedSecret__Output } from '../../../outrider/admin/v1/ListedSecret.ts';

export interface ListedApiKey {
  'namespace'?: (string);
  'name'?: (string);
  'owner'?: (string);
  'scopes'?: (string)[];
  'workloads'?: (string)[];
  'secrets'?: (_outrider_admin_v1_ListedSecret)[];
}

export interface ListedApiKey__Output {
  'namespace': (string);
  'name': (string);
  'owner': (string);
  'scopes': (string)[];
  'workloads': (string)[];
  'secrets': (_outrider_admin_v1_ListedSecret__Output)[];
}
