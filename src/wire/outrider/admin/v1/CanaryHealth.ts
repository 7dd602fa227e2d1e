// From admin/v1/admin.proto

import type { TrafficHealth as _outrider_admin_v1_TrafficHealth, TrafficHealth__Output as _outrider_admin_v1_TrafficHealth__Output } from '../../../outrider/admin/v1/TrafficHealth.ts';

export interface CanaryHealth {
  'spiffeId'?: (string);
  'canaries'?: (_outrider_admin_v1_TrafficHealth | null);
  'before'?: (_outrider_admin_v1_TrafficHealth | null);
  'rest'?: (_outrider_admin_v1_TrafficHealth | null);
}

export interface CanaryHealth__Output {
  'spiffeId': (string);
  'canaries': (_outrider_admin_v1_TrafficHealth__Output | null);
  'before': (_outrider_admin_v1_TrafficHealth__Output | null);
  'rest': (_outrider_admin_v1_TrafficHealth__Output | null);
}
