import type { SidecarConfig } from '../config/sidecar.ts'
import type { BodyBudget } from '../http/body-budget.ts'
import type { HttpLimits } from '../http/limits.ts'
import type { Sweep } from '../http/sweep.ts'
import type { Clock } from '../lib/clock.ts'
import type { PortSharing } from '../lib/listen.ts'
import type { Watch } from '../lib/watch.ts'
import type { Credentials } from '../mtls/credentials.ts'
import type { Distrust } from '../mtls/distrust.ts'
import type { CompiledPolicy } from '../policy/compile.ts'
import type { AccessLog } from '../telemetry/access-log.ts'
import type { Logger } from '../telemetry/log.ts'
import type { sidecarMetrics } from '../telemetry/names.ts'
import type { MetricsOf } from '../telemetry/registry.ts'
import type { RandomHex } from '../telemetry/trace.ts'
import type { Authenticator } from './authentication/authenticator.ts'
import type { Connections } from './connections.ts'
import type { Grants } from './grants.ts'
import type { Load, Tallies } from './tally.ts'
import type { ExternalServers } from './external/servers.ts'
import type { TlsFailures } from './tls-failures.ts'

/** What both directions of the data path share in one thread. */
export interface Runtime {
  readonly config: SidecarConfig
  readonly clock: Clock
  readonly sweep: Sweep
  readonly log: Logger
  readonly accessLog: AccessLog
  readonly metrics: MetricsOf<typeof sidecarMetrics>
  readonly randomHex: RandomHex
  readonly credentials: Watch<Credentials>
  readonly policy: Watch<CompiledPolicy>
  readonly connections: Connections
  /** What is under way on inbound connections. */
  readonly grants: Grants
  /** Proves who the users of requests are. */
  readonly authenticator: Authenticator
  /** Whom we believe no longer. */
  readonly distrust: Distrust
  readonly tlsFailures: TlsFailures
  /** Who else is asked about requests. */
  readonly external: ExternalServers
  /** What HTTP/2 peers sent and nobody has taken yet, against `maxHeldBytes`. */
  readonly budget: BodyBudget
  /** Requests in flight in the whole process. */
  readonly load: Load
  readonly tallies: Tallies
  /** How many data planes the process has: what is a bound of the process and cannot be counted together, they divide. */
  readonly planes: number
  readonly ports: PortSharing
}

/** The part of a bound of the process that each data plane may use up; at least 1. */
export function shareOf(bound: number, { planes }: Pick<Runtime, 'planes'>): number {
  return Math.max(1, Math.floor(bound / planes))
}

/** Bounds of connections that we accept. */
export function serverLimits(config: SidecarConfig, fragments: HttpLimits['fragments'] = 'refuse'): HttpLimits {
  return {
    maxHeadBytes: config.maxHeadBytes,
    maxHeadFields: config.maxHeadFields,
    headTimeoutMs: config.headTimeoutMs,
    requestIdleTimeoutMs: config.requestIdleTimeoutMs,
    connectionIdleTimeoutMs: config.connectionIdleTimeoutMs,
    maxBodyBytes: config.maxBodyBytes,
    maxRequestsPerConnection: config.maxRequestsPerConnection,
    underscoresInHeaders: config.underscoresInHeaders,
    fragments,
    tunnelIdleTimeoutMs: config.tunnelIdleTimeoutMs,
    maxConcurrentStreams: config.maxConcurrentStreams,
    streamWindowBytes: config.streamWindowBytes,
    connectionWindowBytes: config.connectionWindowBytes,
  }
}

/** Bounds of connections that we open: idle ones end here first, so that no request meets a server that is closing. */
export function clientLimits(config: SidecarConfig): HttpLimits {
  return {
    ...serverLimits(config),
    connectionIdleTimeoutMs: config.upstreamIdleTimeoutMs,
    underscoresInHeaders: 'allow',
  }
}
