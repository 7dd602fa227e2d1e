import type { SidecarConfig } from '../config/sidecar.ts'
import { olderBundle, type TrustBundleSet } from '../identity/bundle.ts'
import { controlIdOf, trustDomainOf } from '../identity/spiffe-id.ts'
import type { Svid } from '../identity/svid.ts'
import { Backoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { pause } from '../lib/pause.ts'
import type { Random } from '../lib/random.ts'
import { WatchCell } from '../lib/watch.ts'
import { type Credentials, onNewSvid } from '../mtls/credentials.ts'
import { describeSkew, type Issued, IssuedSource, isSkewed } from '../mtls/source/issued.ts'
import type { Alarm } from '../mtls/source/lifetime-alarm.ts'
import type { CredentialsSource } from '../mtls/source/source.ts'
import { bundlesOf } from '../rpc/bundles.ts'
import { type ClientStream, type ControlClient, connectControl } from '../rpc/client.ts'
import { millisecondsOf } from '../lib/protobuf-time.ts'
import type { Logger } from '../telemetry/log.ts'
import type { sidecarMetrics } from '../telemetry/names.ts'
import type { MetricsOf } from '../telemetry/registry.ts'
import type { IssuedSvid__Output } from '../wire/outrider/identity/v1/IssuedSvid.ts'
import type { TrustBundleSet__Output } from '../wire/outrider/identity/v1/TrustBundleSet.ts'
import { type Evidence, evidenceOf } from './evidence.ts'

/** Has a token made for our own SPIFFE ID. Rejects with why there is none. */
export type RequestJwtSvid = (audience: readonly string[]) => Promise<string>

/** Who we are, kept current, and the channel to the control server that shows it. */
export interface Identity {
  readonly source: CredentialsSource
  readonly client: ControlClient
  readonly jwtSvid: RequestJwtSvid
  close(): void
}

export interface IdentityOptions {
  readonly config: SidecarConfig
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: MetricsOf<typeof sidecarMetrics>
  /** Ends the wait for a control server that does not answer. */
  readonly signal: AbortSignal
}

const ALARMS = {
  overdue: 'the SVID is not renewed at 80 % of its lifetime: it ends soon, and with it all traffic',
  expired: 'the SVID has expired: nothing is served before there is another one',
} as const

/** Says and counts that the SVID was not replaced in time. */
export function alarming({
  log,
  metrics,
}: Pick<IdentityOptions, 'log' | 'metrics'>): (alarm: Alarm, svid: Svid) => void {
  return (alarm, { serial, notAfterMs }) => {
    metrics.svidAlarms.with({ alarm }).inc()
    log.error({ alarm, serial, notAfter: new Date(notAfterMs).toISOString() }, ALARMS[alarm])
  }
}

const RETRY = { initialMs: 200, maxMs: 10_000, jitter: 0.3 }

/**
 * The way to the first SVID: evidence -> root that is pinned or given -> attestation. Waits for a control server that is not there
 * yet; rejects at once when it answers and refuses.
 */
export async function establishIdentity(options: IdentityOptions): Promise<Identity> {
  const { config, clock, log, metrics, random } = options
  const evidence = evidenceOf(config, clock)
  const serverId = controlIdOf(trustDomainOf(evidence.id))
  const address = config.controlAddress
  const trusted = await retrying(options, evidence.learnTrust)
  const bundles = new WatchCell<TrustBundleSet>(new Map([[trusted.trustDomain, trusted]]))
  const svid = new WatchCell<Svid | undefined>(undefined)
  const client = connectControl({ address, bundles, svid, serverId, clock })
  const attest = async (csr: Buffer): Promise<Issued> => issuedOf(await client.attest({ ...evidence.show(csr), csr }))
  const source = await retrying(options, () =>
    IssuedSource.open({
      id: evidence.id,
      attest,
      renew: async (csr) => issuedOf(await client.renew({ csr })),
      ...(evidence.reusable ? { attestAgain: (csr) => attestAnew(csr, attest, evidence, config, clock) } : {}),
      clock,
      random,
      onRenewed: ({ svid: { notAfterMs, serial } }) => {
        metrics.svidRenewals.with({ result: 'renewed' }).inc()
        log.info({ serial, notAfter: new Date(notAfterMs).toISOString() }, 'SVID renewed')
      },
      onRenewalFailed: (reason, retryInMs) => {
        metrics.svidRenewals.with({ result: 'failed' }).inc()
        log.error({ reason, retryInMs: Math.round(retryInMs) }, 'SVID not renewed')
      },
      onAlarm: alarming(options),
      onClockSkew: (aheadMs) => {
        metrics.clockSkew.set(aheadMs / 1000)
        if (isSkewed(aheadMs)) log.warn({ aheadMs: Math.round(aheadMs) }, describeSkew(aheadMs))
      },
    }),
  ).catch((error: unknown) => {
    client.close()
    throw error
  })
  const adopt = (credentials: Credentials): void => {
    metrics.svidExpiry.set(credentials.svid.notAfterMs / 1000)
    bundles.set(credentials.bundles)
    svid.set(credentials.svid)
  }
  adopt(source.credentials.current)
  const watching = watchBundles(client, source, options)
  // In this order: the client shows the new SVID from `adopt` on.
  const unsubscribe = [source.credentials.subscribe(adopt), onNewSvid(source.credentials, () => watching.reopen())]
  return {
    source,
    client,
    jwtSvid: async (audience) => (await client.issueJwtSvid({ audience: [...audience] })).token,
    close: () => {
      for (const stop of unsubscribe) stop()
      watching.close()
      source.close()
      client.close()
    },
  }
}

/**
 * With the trust that we have; where that is of no use, because the mesh has other roots by now, with that of the start. On a
 * channel of its own then, so that what is not proved yet takes nothing from the present one.
 */
async function attestAnew(
  csr: Buffer,
  attest: (csr: Buffer) => Promise<Issued>,
  evidence: Evidence,
  { controlAddress: address }: SidecarConfig,
  clock: Clock,
): Promise<Issued> {
  try {
    return await attest(csr)
  } catch (error) {
    if (!(error instanceof OutriderError && error.code === 'rpc-unavailable')) throw error
  }
  const bundle = await evidence.learnTrust()
  const client = connectControl({
    address,
    bundles: new WatchCell<TrustBundleSet>(new Map([[bundle.trustDomain, bundle]])),
    svid: new WatchCell<Svid | undefined>(undefined),
    serverId: controlIdOf(bundle.trustDomain),
    clock,
  })
  try {
    return issuedOf(await client.attest({ ...evidence.show(csr), csr }))
  } finally {
    client.close()
  }
}

/** Tries until it succeeds, is refused for good, or the sidecar is told to stop. */
async function retrying<T>({ clock, random, log, signal }: IdentityOptions, task: () => Promise<T>): Promise<T> {
  const backoff = new Backoff(RETRY, random)
  for (;;) {
    signal.throwIfAborted()
    try {
      return await task()
    } catch (error) {
      if (!(error instanceof OutriderError && error.retryable)) throw error
      const retryInMs = Math.round(backoff.next())
      log.warn({ reason: describeError(error), retryInMs }, 'no identity yet')
      await pause(retryInMs, clock, signal)
    }
  }
}

function issuedOf({ chain, bundles, serverTime }: IssuedSvid__Output): Issued {
  const serverTimeMs = millisecondsOf(serverTime)
  return { chain, bundles: bundlesOf(bundles), ...(serverTimeMs === undefined ? {} : { serverTimeMs }) }
}

/** Follows the bundles between renewals, over a connection that shows our present SVID. An older bundle never replaces a newer one. */
function watchBundles(
  client: ControlClient,
  source: IssuedSource,
  { clock, random, log }: IdentityOptions,
): { reopen(): void; close(): void } {
  const backoff = new Backoff(RETRY, random)
  let closed = false
  let open: ClientStream<unknown> | undefined
  let retry: Timer | undefined
  const connect = (): void => {
    const stream = client.watchTrustBundles()
    open = stream
    stream.onMessage((message) => {
      if (open !== stream) return
      backoff.reset()
      const next = readable(message, log)
      if (next === undefined) return
      const present = source.credentials.current.bundles
      const older = olderBundle(next, present)
      if (older !== undefined) {
        log.error({ trustDomain: older.trustDomain, sequence: older.sequence }, 'trust bundles refused: older')
      } else if (!sameBundles(next, present)) {
        log.info({ trustDomains: [...next.keys()] }, 'trust bundles changed')
        source.setBundles(next)
      }
    })
    stream.onEnd(() => {
      if (open !== stream || closed) return
      open = undefined
      retry = clock.after(backoff.next(), connect)
    })
  }
  connect()
  return {
    reopen: () => {
      const previous = open
      if (previous === undefined || closed) return
      open = undefined
      previous.cancel()
      connect()
    },
    close: () => {
      closed = true
      retry?.cancel()
      open?.cancel()
    },
  }
}

/** A bundle that cannot be read changes nothing: what is trusted now stays trusted. */
function readable(message: TrustBundleSet__Output, log: Logger): TrustBundleSet | undefined {
  try {
    return bundlesOf(message)
  } catch (error) {
    log.error({ error }, 'trust bundles refused: malformed')
    return undefined
  }
}

function sameBundles(a: TrustBundleSet, b: TrustBundleSet): boolean {
  return a.size === b.size && [...a].every(([domain, { sequence }]) => b.get(domain)?.sequence === sequence)
}
