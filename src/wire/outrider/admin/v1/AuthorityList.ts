// From admin/v1/admin.proto

import type { Authority as _outrider_admin_v1_Authority, Authority__Output as _outrider_admin_v1_Authority__Output } from '../../../outrider/admin/v1/Authority.ts';
import type { Long } from '@grpc/proto-loader';

export interface AuthorityList {
  'trustDomain'?: (string);
  'sequence'?: (number | string | Long);
  'authorities'?: (_outrider_admin_v1_Authority)[];
  'connectedSidecars'?: (number);
  'behind'?: (string)[];
  'behindCount'?: (number);
}

export interface AuthorityList__Output {
  'trustDomain': (string);
  'sequence': (number);
  'authorities': (_outrider_admin_v1_Authority__Output)[];
  'connectedSidecars': (number);
  'behind': (string)[];
  'behindCount': (number);
}
