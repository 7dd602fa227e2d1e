import type { Metadata } from './name.ts'

/** What becomes of captured connections to where no service is. */
export const outboundPolicies = ['deny', 'allow'] as const
export type OutboundPolicy = (typeof outboundPolicies)[number]

/** What holds for the whole mesh: one resource at most. */
export interface MeshConfig {
  readonly kind: 'MeshConfig'
  readonly metadata: Metadata
  readonly spec: { readonly outbound: OutboundPolicy }
}
