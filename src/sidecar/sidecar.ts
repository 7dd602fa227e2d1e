import { hostname, networkInterfaces } from 'node:os'
import { randomFillSync } from 'node:crypto'
import { type Address, formatAddress, isUnspecified, type Mapping } from '../lib/address.ts'
import { type SidecarConfig, sidecarOptions } from '../config/sidecar.ts'
import { weakenedBy } from '../config/weakened.ts'
import { BodyBudget } from '../http/body-budget.ts'
import { Sweep } from '../http/sweep.ts'
import type { Clock } from '../lib/clock.ts'
import { drain } from '../lib/drain.ts'
import type { Random } from '../lib/random.ts'
import { waitFor } from '../lib/watch.ts'
import { Terminator } from '../mtls/server.ts'
import { RateLimiter } from '../ratelimit/limiter.ts'
import { AccessLog } from '../telemetry/access-log.ts'
import { fileSink } from '../telemetry/file-sink.ts'
import type { RootLogger } from '../telemetry/log.ts'
import { sidecarMetrics } from '../telemetry/names.ts'
import { createMetrics } from '../telemetry/registry.ts'
import { pooledHex } from '../telemetry/trace.ts'
import { adminPages } from './admin/pages.ts'
import { createAdminServer } from '../telemetry/admin-server.ts'
import { Connections } from './connections.ts'
import { collectStartUp } from './garbage.ts'
import { establishIdentity, type Identity } from './identity.ts'
import { type InboundListener, openInbound } from './inbound/listener.ts'
import { listen, stopListening } from '../lib/listen.ts'
import { type MeshEndpoints, type OutboundListener, openEndpoints, openOutbound } from './outbound/listener.ts'
import type { Runtime } from './runtime.ts'
import { Snapshot } from './snapshot/snapshot.ts'
import { Subscription } from './snapshot/subscribe.ts'

export interface SidecarOptions {
  readonly config: SidecarConfig
  readonly clock: Clock
  readonly random: Random
  readonly log: RootLogger
  readonly programVersion: string
  /** Ends the start: while it waits for an identity or a policy, and later nothing. */
  readonly signal: AbortSignal
}

/** A sidecar that serves. */
export interface Sidecar {
  readonly inbound: readonly Address[]
  readonly outbound: Address | undefined
  /** In the order of the option. */
  readonly outboundServices: readonly Address[]
  readonly admin: Address
  /** Unready, then finishes what is in flight, for `drainTimeoutMs` at most. Resolves with whether all finished in time. */
  drain(): Promise<boolean>
}

/** How long peers get to learn that we drain before idle connections are closed in their face. */
const WITHDRAWAL_MS = 2_000

/**
 * The composition root. The order is the point: identity first, then policy, and only then a port for anybody. Until then
 * the admin endpoint answers "not ready". Rejects with the first failure, and leaves nothing open.
 */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { config, clock, random, log, programVersion, signal } = options
  for (const option of weakenedBy(sidecarOptions, config)) {
    log.warn({ option }, 'this option weakens the defaults: see docs/reference/options.md')
  }
  const registry = createMetrics(sidecarMetrics, clock)
  const { metrics } = registry
  const limiter = new RateLimiter(() => clock.monotonic(), { maxKeys: config.rateLimitMaxKeys })
  const snapshot = new Snapshot(clock, limiter, metrics, log)
  const connections = new Connections()
  const accessLog = new AccessLog(fileSink(config.accessLogPath), {
    mode: config.accessLog,
    clock,
    dropped: metrics.accessLogDropped,
  })
  let notReady: string | undefined = 'no identity yet'
  let identity: Identity | undefined
  let subscription: Subscription | undefined
  let terminator: Terminator | undefined
  const inbound: InboundListener[] = []
  let outbound: OutboundListener | undefined
  const outboundServices: OutboundListener[] = []
  let mesh: MeshEndpoints | undefined

  const pages = adminPages({
    log,
    registry,
    snapshot,
    connections,
    credentials: () => identity?.source.credentials,
    notReady: () => notReady,
  })
  const adminServer = createAdminServer(pages, log)

  const stopAll = async (): Promise<void> => {
    const listeners = [...inbound, ...outboundServices, ...(outbound === undefined ? [] : [outbound])]
    await Promise.all(listeners.map((listener) => listener.stop()))
  }

  const release = async (): Promise<void> => {
    for (const listener of inbound) listener.release()
    outbound?.release()
    for (const listener of outboundServices) listener.release()
    mesh?.release()
    terminator?.close()
    subscription?.close()
    identity?.close()
    adminServer.closeAllConnections()
    await stopListening(adminServer)
    await accessLog.close()
    registry.destroy()
  }

  try {
    const admin = await listen(adminServer, config.admin, 'admin')
    identity = await establishIdentity({ config, clock, random, log, metrics, signal })
    const { source, client } = identity
    log.info({ id: source.credentials.current.svid.id }, 'identity established')
    notReady = 'no policy yet'
    subscription = new Subscription({
      open: () => client.subscribe(),
      snapshot,
      sidecarId: config.sidecarId === '' ? hostname() : config.sidecarId,
      programVersion,
      clock,
      random,
    })
    await waitFor(snapshot.policy, () => snapshot.revision > 0, signal)
    const runtime: Runtime = {
      config,
      clock,
      sweep: new Sweep(clock),
      log,
      accessLog,
      metrics,
      randomHex: pooledHex((bytes) => randomFillSync(bytes)),
      credentials: source.credentials,
      policy: snapshot.policy,
      connections,
      budget: new BodyBudget(config.maxHeldBytes),
      load: { inFlight: 0 },
    }
    terminator = new Terminator(source.credentials, config.handshakeTimeoutMs)
    for (const mapping of config.inbound) inbound.push(await openInbound(mapping, runtime, terminator, limiter))
    mesh = openEndpoints(runtime)
    const { endpoints } = mesh
    if (config.outbound !== undefined) {
      outbound = await openOutbound(config.outbound, undefined, endpoints, runtime, random)
    }
    for (const { listen, service } of config.outboundServices) {
      outboundServices.push(await openOutbound(listen, service, endpoints, runtime, random))
    }
    subscription.listening(inbound.map((listener, index) => advertised(config, config.inbound[index]!, listener)))
    collectStartUp()
    notReady = undefined
    log.info({ inbound: inbound.map(({ address }) => formatAddress(address)) }, 'sidecar ready')

    const leaving = subscription
    return {
      inbound: inbound.map(({ address }) => address),
      outbound: outbound?.address,
      outboundServices: outboundServices.map(({ address }) => address),
      admin,
      async drain() {
        notReady = 'draining'
        leaving.draining()
        log.info({ connections: connections.list().length }, 'draining')
        const started = clock.monotonic()
        connections.retire()
        await atMost(Math.min(WITHDRAWAL_MS, config.drainTimeoutMs / 2), connections.whenEmpty(), clock)
        await stopAll()
        const left = config.drainTimeoutMs - (clock.monotonic() - started)
        const inTime = await drain([connections], left, clock)
        if (!inTime) log.warn({ drainTimeoutMs: config.drainTimeoutMs }, 'drain timed out: connections were cut')
        await release()
        return inTime
      },
    }
  } catch (error) {
    await stopAll()
    connections.destroy()
    await release()
    throw error
  }
}

/** Waits for `closed`, but no longer than `ms`. */
async function atMost(ms: number, closed: Promise<void>, clock: Clock): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const timer = clock.after(ms, resolve)
  await Promise.race([closed, over])
  timer.cancel()
}

/** Where peers reach a listener. */
function advertised(
  { advertiseAddress }: SidecarConfig,
  { listen: asked }: Mapping,
  { address, appPort }: InboundListener,
): { appPort: number; address: string; port: number } {
  const host = advertiseAddress ?? (isUnspecified(asked.host) ? firstExternalAddress() : asked.host)
  return { appPort, address: host, port: address.port }
}

function firstExternalAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.find(({ internal, address }) => !internal && !address.startsWith('fe80:'))?.address ?? '127.0.0.1'
}
