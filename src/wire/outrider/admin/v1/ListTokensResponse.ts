// From admin/v1/admin.proto

import type { Token as _outrider_admin_v1_Token, Token__Output as _outrider_admin_v1_Token__Output } from '../../../outrider/admin/v1/Token.ts';

export interface ListTokensResponse {
  'tokens'?: (_outrider_admin_v1_Token)[];
}

export interface ListTokensResponse__Output {
  'tokens': (_outrider_admin_v1_Token__Output)[];
}
