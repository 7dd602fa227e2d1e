import type { EnrolmentConfig } from '../config/enrolment.ts'
import type { TrustBundle, TrustBundleSet } from '../identity/bundle.ts'
import { controlIdOf, parseSpiffeId, type SpiffeId, trustDomainOf } from '../identity/spiffe-id.ts'
import type { Svid } from '../identity/svid.ts'
import { Backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { pause } from '../lib/pause.ts'
import type { Random } from '../lib/random.ts'
import { WatchCell } from '../lib/watch.ts'
import { type Credentials, onNewSvid } from '../mtls/credentials.ts'
import { describeSkew, type Issued, IssuedSource, type IssuedSourceOptions, isSkewed } from '../mtls/source/issued.ts'
import type { Alarm } from '../mtls/source/lifetime-alarm.ts'
import type { CredentialsSource } from '../mtls/source/source.ts'
import { bundlesOf } from '../rpc/bundles.ts'
import { type ControlClient, connectControl } from '../rpc/client.ts'
import { millisecondsOf } from '../lib/protobuf-time.ts'
import type { Logger } from '../telemetry/log.ts'
import type { EnrolmentMetrics } from '../telemetry/names.ts'
import type { MetricsOf } from '../telemetry/registry.ts'
import type { IssuedSvid__Output } from '../wire/outrider/identity/v1/IssuedSvid.ts'
import { type Evidence, evidenceOf } from './evidence.ts'
import { watchBundles } from './watch-bundles.ts'

/** Has a token made for our own SPIFFE ID. Rejects with why there is none. */
export type RequestJwtSvid = (audience: readonly string[]) => Promise<string>

/** Where the identity of an earlier process may be. */
export interface KeptIdentity {
  readonly path: string
  /** Undefined when there is none. Throws why one that is there cannot be used. */
  read(nowMs: number): Credentials | undefined
}

/** Who we are, kept current, and the channel to the control server that shows it. */
export interface Identity {
  readonly source: CredentialsSource
  /** What it began with, when that was the identity of an earlier process. */
  readonly kept: Credentials | undefined
  readonly client: ControlClient
  readonly jwtSvid: RequestJwtSvid
  close(): void
}

export interface IdentityOptions {
  readonly config: EnrolmentConfig
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: MetricsOf<EnrolmentMetrics>
  /** Ends the wait for a control server that does not answer. */
  readonly signal: AbortSignal
  /** Where an earlier process may have left its identity. Of what a control server issues only. */
  readonly identityFile?: KeptIdentity
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
 * The way to an SVID: that of an earlier process, or evidence -> root that is pinned or given -> attestation. Waits for a control server
 * that is not there yet; rejects at once when it answers and refuses.
 */
export async function establishIdentity(options: IdentityOptions): Promise<Identity> {
  const { kept, evidence } = beginning(options)
  if (kept === undefined) return attested(options, evidence, (task) => retrying(options, task))
  const bundle = kept.bundles.get(trustDomainOf(kept.svid.id))
  if (evidence === undefined || bundle === undefined || !isForOthers(evidence, bundle))
    return resumed(options, kept, evidence)
  // For a mesh that was set up anew, or older than what is kept: one look tells.
  try {
    return await attested(options, evidence, (task) => task())
  } catch (error) {
    options.log.warn({ reason: describeError(error) }, 'the evidence is for other roots than ours, and of no use')
    return resumed(options, kept, evidence)
  }
}

/** Evidence that cannot be read says nothing. */
function isForOthers(evidence: Evidence, bundle: TrustBundle): boolean {
  try {
    return !evidence.believes(bundle)
  } catch {
    return false
  }
}

type Beginning =
  | { readonly kept: undefined; readonly evidence: Evidence }
  | { readonly kept: Credentials; readonly evidence: Evidence | undefined }

/** Without these an identity that is kept does as well. */
const TOKENLESS: ReadonlySet<string> = new Set(['join-token-missing', 'join-token-unreadable'])

function beginning({ config, clock, log, identityFile }: IdentityOptions): Beginning {
  const kept = identityFile && usable(identityFile, clock, log)
  if (kept === undefined) return { kept, evidence: evidenceOf(config, clock) }
  const { id, notAfterMs } = kept.svid
  let evidence: Evidence | undefined
  try {
    evidence = evidenceOf(config, clock)
  } catch (error) {
    if (!(error instanceof OutriderError && TOKENLESS.has(error.code))) throw error
  }
  const wanted = evidence?.id ?? (config.spiffeId === undefined ? id : parseSpiffeId(config.spiffeId))
  if (wanted === id) {
    log.info({ id, notAfter: new Date(notAfterMs).toISOString() }, 'the identity of the last run is used again')
    return { kept, evidence }
  }
  const error = new OutriderError('svid-id-unexpected', `the identity is ${id}; ${wanted} is wanted`, {
    place: identityFile?.path ?? 'identity',
  })
  log.error({ error }, LEFT_ASIDE)
  return { kept: undefined, evidence: evidence ?? evidenceOf(config, clock) }
}

const LEFT_ASIDE = 'the identity of the last run is left aside: another one is asked for'

function usable(file: KeptIdentity, clock: Clock, log: Logger): Credentials | undefined {
  try {
    return file.read(clock.now())
  } catch (error) {
    log.error({ error, path: file.path }, LEFT_ASIDE)
    return undefined
  }
}

/** The connection to the control server, and what it is made with. */
interface Channel {
  readonly client: ControlClient
  readonly bundles: WatchCell<TrustBundleSet>
  readonly svid: WatchCell<Svid | undefined>
}

function openChannel({ config, clock }: IdentityOptions, id: SpiffeId, believed: TrustBundleSet, own?: Svid): Channel {
  const bundles = new WatchCell(believed)
  const svid = new WatchCell(own)
  const serverId = controlIdOf(trustDomainOf(id))
  return { client: connectControl({ address: config.controlAddress, bundles, svid, serverId, clock }), bundles, svid }
}

type Trying = <T>(task: () => Promise<T>) => Promise<T>

async function attested(options: IdentityOptions, evidence: Evidence, trying: Trying): Promise<Identity> {
  const trusted = await trying(evidence.learnTrust)
  const channel = openChannel(options, evidence.id, new Map([[trusted.trustDomain, trusted]]))
  const again = evidence.reusable ? evidence : undefined
  try {
    const source = await trying(() =>
      IssuedSource.open({
        ...sourceOptions(options, evidence.id, channel, again),
        attest: attestWith(channel, evidence),
      }),
    )
    return maintain(options, channel, source, undefined)
  } catch (error) {
    channel.client.close()
    throw error
  }
}

/** Evidence for one use may be of one that came since. */
function resumed(options: IdentityOptions, kept: Credentials, evidence: Evidence | undefined): Identity {
  const channel = openChannel(options, kept.svid.id, kept.bundles, kept.svid)
  const source = IssuedSource.resume(sourceOptions(options, kept.svid.id, channel, evidence), kept)
  return maintain(options, channel, source, kept)
}

function attestWith({ client }: Channel, evidence: Evidence): (csr: Buffer) => Promise<Issued> {
  return async (csr) => issuedOf(await client.attest({ ...evidence.show(csr), csr }))
}

function sourceOptions(
  options: IdentityOptions,
  id: SpiffeId,
  channel: Channel,
  again: Evidence | undefined,
): IssuedSourceOptions {
  const { config, clock, random, log, metrics } = options
  return {
    id,
    renew: async (csr) => issuedOf(await channel.client.renew({ csr })),
    ...(again && { attestAgain: (csr) => attestAnew(csr, attestWith(channel, again), again, config, clock) }),
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
  }
}

function maintain(
  options: IdentityOptions,
  { client, bundles, svid }: Channel,
  source: IssuedSource,
  kept: Credentials | undefined,
): Identity {
  const adopt = (credentials: Credentials): void => {
    options.metrics.svidExpiry.set(credentials.svid.notAfterMs / 1000)
    bundles.set(credentials.bundles)
    svid.set(credentials.svid)
  }
  adopt(source.credentials.current)
  const watching = watchBundles(client, source, options)
  // In this order: the client shows the new SVID from `adopt` on.
  const unsubscribe = [source.credentials.subscribe(adopt), onNewSvid(source.credentials, () => watching.reopen())]
  return {
    source,
    kept,
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
  { controlAddress: address }: EnrolmentConfig,
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
