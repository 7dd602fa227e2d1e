// From admin/v1/admin.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../../google/protobuf/Timestamp.ts';
import type { Long } from '@grpc/proto-loader';

export interface FederatedDomain {
  'trustDomain'?: (string);
  'url'?: (string);
  'profile'?: (string);
  'believed'?: (boolean);
  'sequence'?: (number | string | Long);
  'x509Authorities'?: (number);
  'jwtAuthorities'?: (number);
  'fetchedAt'?: (_google_protobuf_Timestamp | null);
  'nextPollAt'?: (_google_protobuf_Timestamp | null);
  'failureCode'?: (string);
  'failure'?: (string);
}

export interface FederatedDomain__Output {
  'trustDomain': (string);
  'url': (string);
  'profile': (string);
  'believed': (boolean);
  'sequence': (number);
  'x509Authorities': (number);
  'jwtAuthorities': (number);
  'fetchedAt': (_google_protobuf_Timestamp__Output | null);
  'nextPollAt': (_google_protobuf_Timestamp__Output | null);
  'failureCode': (string);
  'failure': (string);
}
