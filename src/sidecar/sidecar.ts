import { availableParallelism, hostname, networkInterfaces } from 'node:os'
import { type Address, formatAddress, isUnspecified, type Mapping } from '../lib/address.ts'
import { type SidecarConfig, sidecarOptions } from '../config/sidecar.ts'
import { weakenedBy } from '../config/weakened.ts'
import type { Clock } from '../lib/clock.ts'
import { OutriderError } from '../lib/errors.ts'
import type { Drainable } from '../lib/drain.ts'
import type { Random } from '../lib/random.ts'
import { parseProbeTargets } from '../lib/probe-target.ts'
import { waitFor } from '../lib/watch.ts'
import { fileSink } from '../telemetry/file-sink.ts'
import type { RootLogger } from '../telemetry/log.ts'
import { sidecarMetrics } from '../telemetry/names.ts'
import { createMetrics } from '../telemetry/registry.ts'
import { adminPages } from './admin/pages.ts'
import { createAdminServer } from '../telemetry/admin-server.ts'
import { KeySetKeeper } from './authentication/key-sets.ts'
import { openProviders } from './authentication/open.ts'
import { adoptIdentity } from './adopt-identity.ts'
import { type Advertised, AppListens } from './app-listens.ts'
import { establishIdentity, type Identity } from '../enrolment/identity.ts'
import { type HealthServer, serveHealth } from '../telemetry/health-server.ts'
import { applicationProbes } from './health/probes.ts'
import { HealthReporter } from './health-report.ts'
import { LastGood } from './last-good/last-good.ts'
import { listen, stopListening } from '../lib/listen.ts'
import { OwnTraffic } from './own-traffic.ts'
import { Snapshot } from './snapshot/snapshot.ts'
import { Subscription } from './snapshot/subscribe.ts'
import { onNewSvid } from '../mtls/credentials.ts'
import { TrustReporter } from './trust-report.ts'
import type { OpenPorts, Traffic } from './traffic.ts'
import { WorkerGroup } from './workers/group.ts'
import { serveWorkloadApi } from './workload-api/serve.ts'
import { ApiKeyReporter } from './api-key-report.ts'
import { type ExtAuthz, openExtAuthz } from './ext-authz/open.ts'
import { SinkInTurns } from './workers/lines.ts'

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
  /** Where captured connections come to. */
  readonly captured: OpenPorts['captured']
  readonly admin: Address
  readonly health: Address | undefined
  /** Where external authorization is served, when it is. */
  readonly extAuthz: string | undefined
  /** Unready, then finishes what is in flight, for `drainTimeoutMs` at most. Resolves with whether all finished in time. */
  drain(): Promise<boolean>
}

/**
 * The composition root. The order is the point: identity first, then policy, and only then a port for anybody. Until then
 * the admin endpoint answers "not ready". Rejects with the first failure, and leaves nothing open.
 */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { config, clock, random, log, programVersion, signal } = options
  for (const option of weakenedBy(sidecarOptions, config)) {
    log.warn({ option }, 'this option weakens the defaults: see docs/reference/options.md')
  }
  requireCaptureUser(config)
  const registry = createMetrics(sidecarMetrics, clock)
  const { metrics } = registry
  const accessLog = new SinkInTurns(fileSink(config.accessLogPath))
  const workers =
    config.workers === 'auto' ? Math.min(availableParallelism(), sidecarOptions.workers.max) : config.workers
  const traffic: Traffic =
    workers === 1
      ? new OwnTraffic({ config, clock, random, log, metrics, accessLog })
      : new WorkerGroup({ config, workers, clock, random, log, metrics, accessLog })
  const snapshot = new Snapshot(clock, traffic.buckets, metrics, log)
  const providers = openProviders(config, clock)
  const keySets = new KeySetKeeper({
    policy: snapshot.policy,
    fetchKeys: (uri, signal) => providers.fetchKeys(uri, signal),
    clock,
    random,
    log,
    metrics,
  })
  let notReady: string | undefined = 'no identity yet'
  let identity: Identity | undefined
  let lastGood: LastGood | undefined
  let workloadApi: Drainable | undefined
  let appListens: AppListens | undefined
  let subscription: Subscription | undefined
  let reporter: TrustReporter | undefined
  const health = new HealthReporter({
    counted: async () => [registry.snapshot(), ...(await traffic.metrics())],
    revision: () => snapshot.revision,
    send: (report) => subscription?.health(report),
    clock,
    onFailed: (error) => log.error({ error }, 'requests could not be counted for the control server'),
  })
  let apiKeyReporter: ApiKeyReporter | undefined
  let extAuthz: ExtAuthz | undefined
  let unfollow: (() => void) | undefined
  let healthServer: HealthServer | undefined

  const unready = (): string | undefined => lastGood?.fault ?? notReady ?? traffic.notReady
  let leaving = false
  /** Peers choose others from now on; what still comes is served. */
  const announceDrain = (): void => {
    if (leaving) return
    leaving = true
    notReady = 'draining'
    appListens?.close()
    subscription?.draining()
  }
  const pages = adminPages({
    log,
    registry,
    snapshot,
    credentials: () => identity?.source.credentials,
    notReady: unready,
    announceDrain,
    traffic,
    keySets: keySets.states,
  })
  const adminServer = createAdminServer(pages, log)

  const release = async (): Promise<void> => {
    workloadApi?.destroy()
    appListens?.close()
    reporter?.close()
    health.close()
    apiKeyReporter?.close()
    extAuthz?.destroy()
    unfollow?.()
    await lastGood?.close()
    subscription?.close()
    keySets.close()
    identity?.close()
    healthServer?.close()
    adminServer.closeAllConnections()
    await stopListening(adminServer)
    registry.destroy()
  }

  try {
    const admin = await listen(adminServer, config.admin, 'admin')
    if (config.health !== undefined) {
      const targets = parseProbeTargets(config.probes ?? '')
      if (typeof targets === 'string') throw new TypeError(targets)
      healthServer = await serveHealth({
        address: config.health,
        notReady: unready,
        notLive: () => traffic.notLive(),
        other: applicationProbes({ targets, clock, log }),
      })
    }
    lastGood = await LastGood.open({ config, snapshot, clock, log })
    const establish = config.identitySource === 'control' ? establishIdentity : adoptIdentity
    const { identityFile } = lastGood
    identity = await establish({ config, clock, random, log, metrics, signal, ...(identityFile && { identityFile }) })
    const { source, client, jwtSvid } = identity
    log.info({ id: source.credentials.current.svid.id }, 'identity established')
    // Before there is a policy: whoever shares the identity does not wait for ours.
    workloadApi = await serveWorkloadApi({ config, credentials: source.credentials, jwtSvid, clock, log, metrics })
    notReady = 'no policy yet'
    subscription = new Subscription({
      open: () => client.subscribe(),
      snapshot,
      whenInForce: (inForce) => traffic.whenInForce(inForce),
      onHealthAsked: (everyMs) => health.every(everyMs),
      sidecarId: config.sidecarId === '' ? hostname() : config.sidecarId,
      programVersion,
      clock,
      random,
    })
    lastGood.follow(identity, subscription)
    await waitFor(snapshot.policy, () => snapshot.revision > 0, signal)
    const { inbound, outbound, outboundServices, captured } = await traffic.open(source.credentials, snapshot, keySets)
    const followed = subscription
    unfollow = onNewSvid(source.credentials, () => followed.reopen())
    reporter = new TrustReporter({
      credentials: source.credentials,
      uses: () => traffic.authorityUses(),
      send: (report) => followed.trust(report),
      clock,
      onFailed: (error) => log.error({ error }, 'connections could not be counted for the control server'),
    })
    apiKeyReporter = new ApiKeyReporter({
      take: () => traffic.takeApiKeyUses(),
      send: (use) => followed.apiKeysUsed(use),
      clock,
      onFailed: (error) => log.error({ error }, 'uses of API keys could not be told to the control server'),
    })
    extAuthz = await openExtAuthz({
      config,
      provers: () => traffic.provers(),
      policy: snapshot.policy,
      credentials: source.credentials,
      accessLog,
      clock,
      log,
      metrics,
    })
    const announced = [
      ...inbound.map((listener, index) => advertised(config, config.inbound[index]!, listener)),
      ...capturedPorts(config),
    ]
    const tell = (endpoints: readonly Advertised[]): void =>
      followed.listening(endpoints.map(({ endpoint }) => endpoint))
    // Whoever has a kubelet starts before its application; others may have theirs anywhere.
    if (config.health === undefined) tell(announced)
    else if (!leaving) appListens = new AppListens({ announced, tell, clock, random, log })
    if (leaving) subscription.draining()
    notReady = leaving ? 'draining' : undefined
    log.info({ workers, inbound: inbound.map(({ address }) => formatAddress(address)) }, 'sidecar ready')

    return {
      inbound: inbound.map(({ address }) => address),
      outbound,
      outboundServices,
      captured,
      admin,
      health: healthServer?.address,
      extAuthz: extAuthz?.address,
      async drain() {
        announceDrain()
        // Its streams are told; what is left of it goes with the rest.
        void workloadApi?.close()
        void extAuthz?.close()
        const inTime = await traffic.drain()
        await release()
        return inTime
      },
    }
  } catch (error) {
    await traffic.destroy()
    await release()
    throw error
  }
}

/** The loop guard of the rules is a user. */
function requireCaptureUser({ captureInbound, captureOutbound, captureUid }: SidecarConfig): void {
  const uid = process.getuid?.()
  if ((captureInbound === undefined && captureOutbound === undefined) || uid === captureUid) return
  throw new OutriderError(
    'capture-user',
    `captured connections are served by user ${captureUid} (captureUid, and --uid of outrider redirect), and this is user ${uid}: what it sends would be captured again`,
    { place: 'captureUid' },
  )
}

/** Where peers reach a listener. */
function advertised(
  { advertiseAddress }: SidecarConfig,
  { listen: asked, app }: Mapping,
  { address, appPort }: OpenPorts['inbound'][number],
): Advertised {
  const host = advertiseAddress ?? (isUnspecified(asked.host) ? firstExternalAddress() : asked.host)
  return { endpoint: { appPort, address: host, port: address.port }, apps: [app] }
}

/** Peers connect to the application's own port, and are captured there. */
function capturedPorts({ advertiseAddress, captureInboundPorts }: SidecarConfig): Advertised[] {
  const address = advertiseAddress ?? firstExternalAddress()
  return captureInboundPorts.map(({ port }) => ({
    endpoint: { appPort: port, address, port },
    apps: ['127.0.0.1', '::1'].map((host) => ({ host, port })),
  }))
}

function firstExternalAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.find(({ internal, address }) => !internal && !address.startsWith('fe80:'))?.address ?? '127.0.0.1'
}
