import type { SidecarConfig } from './sidecar.ts'

/** Names of the options that say how a process gets its identity from the control server: those of the sidecar. */
export const enrolmentOptionNames = [
  'controlAddress',
  'joinToken',
  'joinTokenFile',
  'attestation',
  'spiffeId',
  'kubernetesTokenFile',
  'x509CertFile',
  'x509KeyFile',
  'trustBundleFile',
  'rootSha256',
] as const
export type EnrolmentOption = (typeof enrolmentOptionNames)[number]

export type EnrolmentConfig = Pick<SidecarConfig, EnrolmentOption>
