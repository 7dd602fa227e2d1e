import { randomFillSync } from 'node:crypto'
import type { SidecarConfig } from '../config/sidecar.ts'
import { BodyBudget } from '../http/body-budget.ts'
import { Sweep } from '../http/sweep.ts'
import type { Clock } from '../lib/clock.ts'
import { drain } from '../lib/drain.ts'
import type { PortSharing } from '../lib/listen.ts'
import type { Random } from '../lib/random.ts'
import type { Watch } from '../lib/watch.ts'
import type { Credentials } from '../mtls/credentials.ts'
import { anyDistrust, revokedSvids, withdrawnAuthorities } from '../mtls/distrust.ts'
import { Terminator } from '../mtls/server.ts'
import type { Lockout } from '../ratelimit/lockout.ts'
import type { RateLimiter } from '../ratelimit/limiter.ts'
import { AccessLog, type AccessLogSink } from '../telemetry/access-log.ts'
import type { Logger } from '../telemetry/log.ts'
import type { sidecarMetrics } from '../telemetry/names.ts'
import type { MetricsOf } from '../telemetry/registry.ts'
import { pooledHex } from '../telemetry/trace.ts'
import { ApiKeyUses } from './authentication/api-key-uses.ts'
import { openAuthentication, openProviders, type TokenSources } from './authentication/open.ts'
import { Connections } from './connections.ts'
import { ExternalServers } from './external/servers.ts'
import { collectStartUp } from './garbage.ts'
import { Grants } from './grants.ts'
import { type InboundListener, openInbound } from './inbound/listener.ts'
import { type MeshEndpoints, type OutboundListener, openEndpoints, openOutbound } from './outbound/listener.ts'
import { PolicyClock } from './policy-clock.ts'
import { type Runtime, shareOf } from './runtime.ts'
import type { Snapshot } from './snapshot/snapshot.ts'
import { Load, type Tallies } from './tally.ts'
import { TlsFailures } from './tls-failures.ts'
import type { OpenPorts } from './traffic.ts'

export interface DataPlaneOptions {
  readonly config: SidecarConfig
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: MetricsOf<typeof sidecarMetrics>
  readonly accessLog: AccessLogSink
  readonly limiter: RateLimiter
  /** Of sources of wrong API keys. */
  readonly lockout: Lockout
  readonly tallies: Tallies
  /** How many data planes the process has. */
  readonly planes: number
}

/** How long peers get to learn that we drain before idle connections are closed in their face. */
const WITHDRAWAL_MS = 2_000
/** Questions of the process to one external authorization server that may be under way. */
const MAX_EXTERNAL_QUESTIONS = 1000

/** All that serves traffic in one thread: its listeners, their connections, and the pools behind them. */
export class DataPlane {
  readonly connections: Connections = new Connections()
  readonly tlsFailures: TlsFailures
  readonly apiKeyUses: ApiKeyUses = new ApiKeyUses()
  readonly #options: DataPlaneOptions
  readonly #accessLog: AccessLog
  readonly #inbound: InboundListener[] = []
  #outbound: OutboundListener | undefined
  readonly #outboundServices: OutboundListener[] = []
  #mesh: MeshEndpoints | undefined
  #terminator: Terminator | undefined
  #grants: Grants | undefined
  #policyClock: PolicyClock | undefined
  #external: ExternalServers | undefined
  #authentication: ReturnType<typeof openAuthentication> | undefined

  constructor(options: DataPlaneOptions) {
    const { config, clock, log, metrics, accessLog } = options
    this.#options = options
    this.tlsFailures = new TlsFailures(metrics, log, clock)
    this.#accessLog = new AccessLog(accessLog, { mode: config.accessLog, clock, dropped: metrics.accessLogDropped })
  }

  /** Opens the ports. Rejects with the first failure; `destroy` closes what was opened before it. */
  async open(
    credentials: Watch<Credentials>,
    { policy }: Pick<Snapshot, 'policy'>,
    sources: TokenSources,
    ports: PortSharing,
  ): Promise<OpenPorts> {
    const { config, clock, random, log, metrics, limiter, lockout, tallies, planes } = this.#options
    const grants = new Grants(policy, clock, log)
    this.#grants = grants
    this.#policyClock = new PolicyClock(policy, clock, () => grants.recheck())
    const distrust = anyDistrust(withdrawnAuthorities(credentials), revokedSvids(policy))
    const maxQuestions = shareOf(MAX_EXTERNAL_QUESTIONS, { planes })
    const external = new ExternalServers({ policy, credentials, distrust, clock, log, metrics, maxQuestions })
    this.#external = external
    const providers = openProviders(config, clock)
    this.#authentication = openAuthentication({
      config,
      clock,
      log,
      metrics,
      sources,
      providers,
      planes,
      lockout,
      apiKeyUses: this.apiKeyUses,
    })
    const runtime: Runtime = {
      config,
      clock,
      sweep: new Sweep(clock),
      log,
      accessLog: this.#accessLog,
      metrics,
      randomHex: pooledHex((bytes) => randomFillSync(bytes)),
      credentials,
      policy,
      authenticator: this.#authentication.authenticator,
      connections: this.connections,
      grants,
      distrust,
      external,
      tlsFailures: this.tlsFailures,
      budget: new BodyBudget(shareOf(config.maxHeldBytes, { planes })),
      load: new Load(tallies.claim()),
      tallies,
      planes,
      ports,
    }
    this.#terminator = new Terminator(credentials, config.handshakeTimeoutMs)
    for (const mapping of config.inbound) {
      this.#inbound.push(await openInbound(mapping, runtime, this.#terminator, limiter))
    }
    this.#mesh = openEndpoints(runtime)
    const { endpoints } = this.#mesh
    if (config.outbound !== undefined) {
      this.#outbound = await openOutbound(config.outbound, undefined, endpoints, runtime, random)
    }
    for (const { listen, service } of config.outboundServices) {
      this.#outboundServices.push(await openOutbound(listen, service, endpoints, runtime, random))
    }
    collectStartUp()
    return {
      inbound: this.#inbound.map(({ address, appPort }) => ({ address, appPort })),
      outbound: this.#outbound?.address,
      outboundServices: this.#outboundServices.map(({ address }) => address),
    }
  }

  /** Finishes what is in flight, for `drainTimeoutMs` at most. Resolves with whether all finished in time. */
  async drain(): Promise<boolean> {
    const { config, clock, log } = this.#options
    const { connections } = this
    log.info({ connections: connections.list().length }, 'draining')
    const started = clock.monotonic()
    connections.retire()
    await atMost(Math.min(WITHDRAWAL_MS, config.drainTimeoutMs / 2), connections.whenEmpty(), clock)
    await this.#stop()
    const left = config.drainTimeoutMs - (clock.monotonic() - started)
    const inTime = await drain([connections], left, clock)
    if (!inTime) log.warn({ drainTimeoutMs: config.drainTimeoutMs }, 'drain timed out: connections were cut')
    await this.#release()
    return inTime
  }

  async destroy(): Promise<void> {
    await this.#stop()
    this.connections.destroy()
    await this.#release()
  }

  #listeners(): readonly (InboundListener | OutboundListener)[] {
    return [...this.#inbound, ...(this.#outbound === undefined ? [] : [this.#outbound]), ...this.#outboundServices]
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#listeners().map((listener) => listener.stop()))
  }

  async #release(): Promise<void> {
    for (const listener of this.#listeners()) listener.release()
    this.#mesh?.release()
    this.#terminator?.close()
    this.#policyClock?.close()
    this.#grants?.close()
    this.#external?.close()
    this.#authentication?.close()
    this.tlsFailures.close()
    await this.#accessLog.close()
  }
}

/** The configuration of a data plane that shares the ports that another one has opened. */
export function atPorts(config: SidecarConfig, { inbound, outbound, outboundServices }: OpenPorts): SidecarConfig {
  return {
    ...config,
    inbound: config.inbound.map((mapping, index) => ({
      ...mapping,
      listen: inbound[index]?.address ?? mapping.listen,
    })),
    outbound,
    outboundServices: config.outboundServices.map((mapping, index) => ({
      ...mapping,
      listen: outboundServices[index] ?? mapping.listen,
    })),
  }
}

/** Waits for `closed`, but no longer than `ms`. */
async function atMost(ms: number, closed: Promise<void>, clock: Clock): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const timer = clock.after(ms, resolve)
  await Promise.race([closed, over])
  timer.cancel()
}
