import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { olderBundle, type TrustBundleSet } from '../../identity/bundle.ts'
import { buildCsr } from '../../identity/csr.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import { loadSvid, type Svid } from '../../identity/svid.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import type { Credentials } from '../credentials.ts'
import { isTainted } from '../peer.ts'
import { type Alarm, LifetimeAlarm } from './lifetime-alarm.ts'

/** What an issuer answers to a CSR. */
export interface Issued {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  readonly bundles: TrustBundleSet
  /** The issuer's clock at that moment. */
  readonly serverTimeMs?: number
}

export interface IssuedSourceOptions {
  readonly id: SpiffeId
  /** A later one, with the SVID we have. */
  readonly renew: (csr: Buffer) => Promise<Issued>
  /** As `attest`, when the SVID we have is of no use any more. Absent where the evidence was for one use. */
  readonly attestAgain?: (csr: Buffer) => Promise<Issued>
  readonly clock: Clock
  readonly random: Random
  readonly onRenewed: (credentials: Credentials) => void
  readonly onRenewalFailed: (reason: string, retryInMs: number) => void
  /** Once each per SVID: it was not renewed at 80 % of its lifetime, and at its end. */
  readonly onAlarm: (alarm: Alarm, svid: Svid) => void
  /** With every answer: by how much this clock is ahead of the issuer's, in milliseconds; 0 within what the call took. */
  readonly onClockSkew: (aheadMs: number) => void
}

/** What the first SVID comes from. */
export interface Attested {
  readonly attest: (csr: Buffer) => Promise<Issued>
}

/** Renewal begins at this part of the lifetime, and spreads over +-10 % of it so that a fleet does not renew as one. */
const RENEW_AT = 0.5
const RENEW_JITTER = 0.1
const RETRY = { maxMs: 300_000, jitter: 0.2 }
/** Most failures are a restart or a lost packet: the second chance comes early, before the back-off begins. */
const SECOND_CHANCE_MS = 2_000
/** The back-off begins with this part of the lifetime, at least a second: short lives cannot wait long. */
const FIRST_RETRY = 1 / 50
const SHORTEST_RETRY_MS = 1000
/** With an SVID that has expired nothing is served: every 3 to 5 seconds, for as long as it takes. */
const EXPIRED_RETRY = { initialMs: 4_000, maxMs: 5_000, jitter: 0.25 }
/** What certificates are back-dated by, for clocks that differ. */
const TOLERATED_SKEW_MS = 20_000
/** The issuer does not believe the SVID that we show. */
const SHOWN_IN_VAIN: ReadonlySet<string> = new Set(['peer-unauthenticated', 'svid-expired', 'svid-revoked'])

/** Over so much time a fleet spreads the renewals that a tainted root causes, or a start with an SVID of before. */
const SPREAD_MS = 5000

const generate = promisify(generateKeyPair)

/**
 * Credentials from a control server that signs CSRs: a new P-256 key for every SVID, made in memory; renewed
 * at 50 % +-10 % of the lifetime, with back-off when that fails, and without end: also an SVID that has expired is renewed, or
 * another one is asked for.
 */
export class IssuedSource {
  readonly #options: IssuedSourceOptions
  readonly #cell: WatchCell<Credentials>
  readonly #backoff: Backoff
  readonly #expiredBackoff: Backoff
  #next: Timer | undefined
  readonly #alarm: LifetimeAlarm
  #failures = 0
  #renewing = false
  #closed = false

  private constructor(options: IssuedSourceOptions, first: Credentials, renewal: 'in-time' | 'soon') {
    const { clock, random } = options
    this.#options = options
    this.#cell = new WatchCell(first)
    this.#alarm = new LifetimeAlarm(clock, options.onAlarm)
    const initialMs = Math.max(SHORTEST_RETRY_MS, (first.svid.notAfterMs - clock.now()) * FIRST_RETRY)
    this.#backoff = new Backoff({ ...RETRY, initialMs: Math.min(initialMs, RETRY.maxMs) }, random)
    this.#expiredBackoff = new Backoff(EXPIRED_RETRY, random)
    if (renewal === 'in-time') this.#schedule(first)
    else this.#renewIn(SPREAD_MS * random())
    this.#alarm.watch(first.svid)
  }

  /** Attests. Rejects with what the issuer answered, or with why its answer cannot be used. */
  static async open(options: IssuedSourceOptions & Attested): Promise<IssuedSource> {
    return new IssuedSource(options, await obtain(options, options.attest), 'in-time')
  }

  /** Goes on with what an earlier process was issued: good for now, and renewed as soon as the issuer answers. */
  static resume(options: IssuedSourceOptions, kept: Credentials): IssuedSource {
    return new IssuedSource(options, kept, 'soon')
  }

  get credentials(): Watch<Credentials> {
    return this.#cell
  }

  /** New roots, between renewals. When that of our own SVID is being given up, another SVID is asked for soon. */
  setBundles(bundles: TrustBundleSet): void {
    const { svid } = this.#cell.current
    this.#cell.set(Object.freeze({ svid, bundles }))
    if (!this.#renewing && isTainted(this.#cell.current.svid, bundles)) this.#schedule(this.#cell.current)
  }

  close(): void {
    this.#closed = true
    this.#next?.cancel()
    this.#alarm.close()
  }

  #schedule(credentials: Credentials): void {
    const { clock, random } = this.#options
    const part = RENEW_AT + RENEW_JITTER * (2 * random() - 1)
    // Counted from now, when it was issued: notBefore is back-dated for clocks that differ.
    const regularMs = (credentials.svid.notAfterMs - clock.now()) * part
    this.#renewIn(
      isTainted(credentials.svid, credentials.bundles) ? Math.min(regularMs, SPREAD_MS * random()) : regularMs,
    )
  }

  #renewIn(delayMs: number): void {
    this.#next?.cancel()
    this.#next = this.#options.clock.after(delayMs, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    const { onRenewed, onRenewalFailed } = this.#options
    this.#renewing = true
    try {
      const { svid, bundles } = await this.#obtainAnother()
      if (this.#closed) return
      const present = this.#cell.current.bundles
      // Newer ones may have come by the other way meanwhile.
      const credentials = Object.freeze({
        svid,
        bundles: olderBundle(bundles, present) === undefined ? bundles : present,
      })
      this.#backoff.reset()
      this.#expiredBackoff.reset()
      this.#failures = 0
      this.#cell.set(credentials)
      onRenewed(credentials)
      this.#schedule(credentials)
      this.#alarm.watch(credentials.svid)
    } catch (error) {
      if (this.#closed) return
      const retryInMs = this.#retryInMs()
      onRenewalFailed(describeError(error), retryInMs)
      this.#renewIn(retryInMs)
    } finally {
      this.#renewing = false
    }
  }

  async #obtainAnother(): Promise<Credentials> {
    const { renew, attestAgain } = this.#options
    try {
      return await obtain(this.#options, renew)
    } catch (error) {
      const inVain = error instanceof OutriderError && SHOWN_IN_VAIN.has(error.code)
      if (this.#closed || attestAgain === undefined || !(inVain || this.#leftMs() <= 0)) throw error
      return obtain(this.#options, attestAgain)
    }
  }

  #retryInMs(): number {
    const leftMs = this.#leftMs()
    if (leftMs <= 0) return this.#expiredBackoff.next()
    this.#failures += 1
    const nextMs = this.#failures === 1 ? SECOND_CHANCE_MS : this.#backoff.next()
    // Not beyond the end: from then on every second counts.
    return Math.min(nextMs, leftMs)
  }

  #leftMs(): number {
    return this.#cell.current.svid.notAfterMs - this.#options.clock.now()
  }
}

async function obtain(options: IssuedSourceOptions, ask: (csr: Buffer) => Promise<Issued>): Promise<Credentials> {
  const { privateKey }: { privateKey: KeyObject } = await generate('ec', { namedCurve: 'P-256' })
  const csr = buildCsr(privateKey, options.id)
  const askedAtMs = options.clock.now()
  const { chain, bundles, serverTimeMs } = await ask(csr)
  const nowMs = options.clock.now()
  const aheadMs = serverTimeMs === undefined ? 0 : aheadOf(serverTimeMs, askedAtMs, nowMs)
  options.onClockSkew(aheadMs)
  const svid = explained(aheadMs, () => loadSvid(chain, privateKey, bundles, nowMs))
  if (svid.id !== options.id) {
    throw new OutriderError('svid-id-unexpected', `the SVID is for ${svid.id}; ${options.id} was asked for`)
  }
  return Object.freeze({ svid, bundles })
}

/** The server looked at its clock between the two moments of ours: only what is outside of them is a difference. */
function aheadOf(serverTimeMs: number, askedAtMs: number, nowMs: number): number {
  if (serverTimeMs < askedAtMs) return askedAtMs - serverTimeMs
  return serverTimeMs > nowMs ? nowMs - serverTimeMs : 0
}

/** Names the clock when it may be the reason why a new SVID cannot be used. */
function explained(aheadMs: number, load: () => Svid): Svid {
  try {
    return load()
  } catch (cause) {
    if (!isSkewed(aheadMs)) throw cause
    throw new OutriderError('clock-skew', `${describeSkew(aheadMs)}: the new SVID cannot be used`, { cause })
  }
}

/** For a person. `aheadMs` as `onClockSkew` has it. */
export function describeSkew(aheadMs: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  return `this clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the control server, ${TOLERATED_SKEW_MS / 1000} s are tolerated`
}

/** Whether a difference of clocks is more than certificates are made for. */
export function isSkewed(aheadMs: number): boolean {
  return Math.abs(aheadMs) > TOLERATED_SKEW_MS
}
