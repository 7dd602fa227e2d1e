import { SIDECAR } from '../enrolment/pod-marks.ts'

export { INJECTED, SIDECAR } from '../enrolment/pod-marks.ts'

/** Prefix of all annotations and labels of ours. */
export const PREFIX = 'outrider.mesh/'
/** On a pod template: `enabled` or `disabled`. Also a label, of namespaces too. */
export const INJECT = 'outrider.mesh/inject'

export const REDIRECT = 'outrider-redirect'
export const TOKEN_VOLUME = 'outrider-token'
export const TRUST_VOLUME = 'outrider-trust'
export const STATE_VOLUME = 'outrider-state'
export const RUN_VOLUME = 'outrider-run'

export const containerNames: readonly string[] = [REDIRECT, SIDECAR]
export const volumeNames: readonly string[] = [TOKEN_VOLUME, TRUST_VOLUME, STATE_VOLUME, RUN_VOLUME]

/** User and group of the sidecar; capture leaves the traffic of this user alone. */
export const SIDECAR_UID = 15_400

/** Ports of the sidecar in a pod. */
export const ports = {
  /** Captured outbound connections arrive here. */
  captureOutbound: 15_001,
  /** Captured inbound connections arrive here, whatever their port was. */
  captureInbound: 15_006,
  /** Loopback: health, metrics and diagnostics for people. */
  admin: 15_400,
  /** All addresses: health and the application's probes for the kubelet. */
  health: 15_020,
  /** Loopback: the explicit outbound proxy. */
  outbound: 15_080,
  /** Without capture: the first of the inbound listeners, one for each application port. */
  inbound: 15_100,
} as const

/** Most application ports of one pod. */
export const MAX_APP_PORTS = 64

/** How the traffic of a pod gets to its sidecar. */
export const modes = ['redirect', 'tproxy', 'explicit'] as const
export type Mode = (typeof modes)[number]
