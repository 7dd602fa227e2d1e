import { randomFillSync } from 'node:crypto'
import type { SidecarConfig } from '../../config/sidecar.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Drainable } from '../../lib/drain.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import { anyDistrust, revokedSvids, withdrawnAuthorities } from '../../mtls/distrust.ts'
import type { CompiledPolicy } from '../../policy/compile.ts'
import { AccessLog, type AccessLogSink } from '../../telemetry/access-log.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { sidecarMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'
import { pooledHex } from '../../telemetry/trace.ts'
import { openAuthentication, openProviders, type Provers } from '../authentication/open.ts'
import { Checker } from './check.ts'
import { serveExtAuthz } from './serve.ts'

export interface ExtAuthz extends Drainable {
  /** `host:port` with the real port, or the path of the socket. */
  readonly address: string
}

export interface ExtAuthzParts {
  readonly config: SidecarConfig
  readonly provers: () => Provers
  readonly policy: Watch<CompiledPolicy>
  readonly credentials: Watch<Credentials>
  /** Takes lines of others as well. */
  readonly accessLog: AccessLogSink
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsOf<typeof sidecarMetrics>
}

/** Answers questions of others about requests, where `extAuthz` says so; else `undefined`. Rejects as `serveExtAuthz`. */
export async function openExtAuthz(parts: ExtAuthzParts): Promise<ExtAuthz | undefined> {
  const { config, policy, credentials, clock, log, metrics } = parts
  if (config.extAuthz === undefined) return undefined
  const providers = openProviders(config, clock)
  const authentication = openAuthentication({ ...parts.provers(), config, clock, log, metrics, providers, planes: 1 })
  // The sink is closed by who serves the traffic.
  const sink: AccessLogSink = { write: (lines, done) => parts.accessLog.write(lines, done), close: () => {} }
  const accessLog = new AccessLog(sink, { mode: config.accessLog, clock, dropped: metrics.accessLogDropped })
  const checker = new Checker({
    policy,
    credentials,
    clock,
    accessLog,
    metrics,
    randomHex: pooledHex((bytes) => randomFillSync(bytes)),
    authenticator: authentication.authenticator,
  })
  const distrust = anyDistrust(withdrawnAuthorities(credentials), revokedSvids(policy))
  const release = (): void => {
    authentication.close()
    accessLog.destroy()
  }
  try {
    const server = await serveExtAuthz({ config, checker, credentials, distrust, clock, log })
    if (server === undefined) return undefined
    return {
      address: server.address,
      close: async () => {
        await server.close()
        await accessLog.close()
        release()
      },
      destroy: () => {
        server.destroy()
        release()
      },
    }
  } catch (error) {
    release()
    throw error
  }
}
