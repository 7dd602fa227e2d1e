// From admin/v1/admin.proto

import type { DocumentViolation as _outrider_admin_v1_DocumentViolation, DocumentViolation__Output as _outrider_admin_v1_DocumentViolation__Output } from '../../../outrider/admin/v1/DocumentViolation.ts';

export interface ApplyRefusal {
  'violations'?: (_outrider_admin_v1_DocumentViolation)[];
}

export interface ApplyRefusal__Output {
  'violations': (_outrider_admin_v1_DocumentViolation__Output)[];
}
