// From policy/v1/policy.proto


// From policy/v1/policy.proto

export const _outrider_policy_v1_MeshConfigSpec_Outbound = {
  OUTBOUND_UNSPECIFIED: 'OUTBOUND_UNSPECIFIED',
  OUTBOUND_DENY: 'OUTBOUND_DENY',
  OUTBOUND_ALLOW: 'OUTBOUND_ALLOW',
} as const;

export type _outrider_policy_v1_MeshConfigSpec_Outbound =
  | 'OUTBOUND_UNSPECIFIED'
  | 0
  | 'OUTBOUND_DENY'
  | 1
  | 'OUTBOUND_ALLOW'
  | 2

export type _outrider_policy_v1_MeshConfigSpec_Outbound__Output = typeof _outrider_policy_v1_MeshConfigSpec_Outbound[keyof typeof _outrider_policy_v1_MeshConfigSpec_Outbound]

export interface MeshConfigSpec {
  'outbound'?: (_outrider_policy_v1_MeshConfigSpec_Outbound);
}

export interface MeshConfigSpec__Output {
  'outbound': (_outrider_policy_v1_MeshConfigSpec_Outbound__Output);
}
