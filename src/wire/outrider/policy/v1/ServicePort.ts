// From policy/v1/policy.proto


// From policy/v1/policy.proto

export const _outrider_policy_v1_ServicePort_Protocol = {
  PROTOCOL_UNSPECIFIED: 'PROTOCOL_UNSPECIFIED',
  PROTOCOL_AUTO: 'PROTOCOL_AUTO',
  PROTOCOL_HTTP1: 'PROTOCOL_HTTP1',
  PROTOCOL_HTTP2: 'PROTOCOL_HTTP2',
  PROTOCOL_GRPC: 'PROTOCOL_GRPC',
  PROTOCOL_TCP: 'PROTOCOL_TCP',
} as const;

export type _outrider_policy_v1_ServicePort_Protocol =
  | 'PROTOCOL_UNSPECIFIED'
  | 0
  | 'PROTOCOL_AUTO'
  | 1
  | 'PROTOCOL_HTTP1'
  | 2
  | 'PROTOCOL_HTTP2'
  | 3
  | 'PROTOCOL_GRPC'
  | 4
  | 'PROTOCOL_TCP'
  | 5

export type _outrider_policy_v1_ServicePort_Protocol__Output = typeof _outrider_policy_v1_ServicePort_Protocol[keyof typeof _outrider_policy_v1_ServicePort_Protocol]

export interface ServicePort {
  'port'?: (number);
  'targetPort'?: (number);
  'protocol'?: (_outrider_policy_v1_ServicePort_Protocol);
}

export interface ServicePort__Output {
  'port': (number);
  'targetPort': (number);
  'protocol': (_outrider_policy_v1_ServicePort_Protocol__Output);
}
