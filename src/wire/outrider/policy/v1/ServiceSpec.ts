// From policy/v1/policy.proto

import type { ServicePort as _outrider_policy_v1_ServicePort, ServicePort__Output as _outrider_policy_v1_ServicePort__Output } from '../../../outrider/policy/v1/ServicePort.ts';
import type { Endpoint as _outrider_policy_v1_Endpoint, Endpoint__Output as _outrider_policy_v1_Endpoint__Output } from '../../../outrider/policy/v1/Endpoint.ts';

export interface ServiceSpec {
  'hosts'?: (string)[];
  'ports'?: (_outrider_policy_v1_ServicePort)[];
  'identities'?: (string)[];
  'endpoints'?: (_outrider_policy_v1_Endpoint)[];
  'addresses'?: (string)[];
}

export interface ServiceSpec__Output {
  'hosts': (string)[];
  'ports': (_outrider_policy_v1_ServicePort__Output)[];
  'identities': (string)[];
  'endpoints': (_outrider_policy_v1_Endpoint__Output)[];
  'addresses': (string)[];
}
