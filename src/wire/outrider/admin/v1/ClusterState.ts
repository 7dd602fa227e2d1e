// From admin/v1/admin.proto

import type { ClusterFailure as _outrider_admin_v1_ClusterFailure, ClusterFailure__Output as _outrider_admin_v1_ClusterFailure__Output } from '../../../outrider/admin/v1/ClusterFailure.ts';
import type { HeldBack as _outrider_admin_v1_HeldBack, HeldBack__Output as _outrider_admin_v1_HeldBack__Output } from '../../../outrider/admin/v1/HeldBack.ts';
import type { Long } from '@grpc/proto-loader';

export interface ClusterState {
  'synced'?: (boolean);
  'serverName'?: (string);
  'knownRevision'?: (number | string | Long);
  'objects'?: (number);
  'failures'?: (_outrider_admin_v1_ClusterFailure)[];
  'heldBack'?: (_outrider_admin_v1_HeldBack)[];
  'heldBackTotal'?: (number);
}

export interface ClusterState__Output {
  'synced': (boolean);
  'serverName': (string);
  'knownRevision': (number);
  'objects': (number);
  'failures': (_outrider_admin_v1_ClusterFailure__Output)[];
  'heldBack': (_outrider_admin_v1_HeldBack__Output)[];
  'heldBackTotal': (number);
}
