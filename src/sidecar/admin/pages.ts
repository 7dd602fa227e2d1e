import { createHash } from 'node:crypto'
import type { LogLevel, RootLogger } from '../../telemetry/log.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { sidecarMetrics } from '../../telemetry/names.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { Connections } from '../connections.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { type AdminAnswer, type AdminPages, json, text } from './server.ts'

export interface AdminSources {
  readonly clock: Clock
  readonly log: RootLogger
  readonly registry: MetricRegistry<typeof sidecarMetrics>
  readonly snapshot: Snapshot
  readonly connections: Connections
  /** Undefined until the first SVID. */
  readonly credentials: () => Watch<Credentials> | undefined
  /** Undefined when the sidecar is ready, else why not. */
  readonly notReady: () => string | undefined
}

const logLevels: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error'] satisfies LogLevel[]

/** What the admin endpoint shows. */
export function adminPages(sources: AdminSources): AdminPages {
  const { log, registry, snapshot, connections } = sources
  return {
    'GET /live': () => text('live\n'),
    'GET /ready': () => {
      const why = sources.notReady()
      return why === undefined ? text('ready\n') : text(`not ready: ${why}\n`, 503)
    },
    'GET /metrics': async () => ({ status: 200, body: await registry.expose(), contentType: registry.contentType }),
    'GET /policy': () =>
      json({
        revision: snapshot.revision,
        appliedAt: snapshot.appliedAtMs === undefined ? null : new Date(snapshot.appliedAtMs).toISOString(),
        closed: snapshot.policy.current.closed ?? null,
        resources: [...snapshot.held.values()].map((held) =>
          held.ok ? held.resource : { name: held.name, revision: held.revision, violations: held.violations },
        ),
      }),
    'GET /connections': () =>
      json(
        connections.list().map(({ listener, remote, peer, openedAtMs, expiresAtMs, requests }) => ({
          listener,
          remote,
          peer,
          openedAt: new Date(openedAtMs).toISOString(),
          expiresAt: Number.isFinite(expiresAtMs) ? new Date(expiresAtMs).toISOString() : null,
          requests,
        })),
      ),
    'GET /certs': () => certificates(sources.credentials()?.current),
    'GET /log-level': () => text(`${log.level}\n`),
    'PUT /log-level': ({ body }) => {
      const level = body.trim()
      if (!isLogLevel(level)) return text(`a log level is one of ${logLevels.join(', ')}\n`, 400)
      log.level = level
      return text(`${level}\n`)
    },
  }
}

function isLogLevel(level: string): level is LogLevel {
  return logLevels.includes(level)
}

function certificates(credentials: Credentials | undefined): AdminAnswer {
  if (credentials === undefined) return text('there is no SVID yet\n', 503)
  const { svid, bundles } = credentials
  return json({
    svid: {
      id: svid.id,
      serial: svid.serial,
      notBefore: new Date(svid.notBeforeMs).toISOString(),
      notAfter: new Date(svid.notAfterMs).toISOString(),
      chain: svid.chainDer.map((der) => createHash('sha256').update(der).digest('hex')),
    },
    bundles: [...bundles.values()].map(({ trustDomain, sequence, authorities }) => ({
      trustDomain,
      sequence,
      authorities: authorities.map(({ fingerprint, notAfterMs }) => ({
        fingerprint,
        notAfter: new Date(notAfterMs).toISOString(),
      })),
    })),
  })
}
