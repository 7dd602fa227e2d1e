import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { olderBundle, type TrustBundleSet } from '../../identity/bundle.ts'
import { buildCsr } from '../../identity/csr.ts'
import { type SpiffeId, trustDomainOf } from '../../identity/spiffe-id.ts'
import { loadSvid } from '../../identity/svid.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import type { Credentials } from '../credentials.ts'

/** What an issuer answers to a CSR. */
export interface Issued {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  readonly bundles: TrustBundleSet
}

export interface IssuedSourceOptions {
  readonly id: SpiffeId
  /** The first SVID, by attestation. */
  readonly attest: (csr: Buffer) => Promise<Issued>
  /** A later one, with the SVID we have. */
  readonly renew: (csr: Buffer) => Promise<Issued>
  readonly clock: Clock
  readonly random: Random
  readonly onRenewed: (credentials: Credentials) => void
  readonly onRenewalFailed: (reason: string, retryInMs: number) => void
}

/** Renewal begins at this part of the lifetime, and spreads over +-10 % of it so that a fleet does not renew as one. */
const RENEW_AT = 0.5
const RENEW_JITTER = 0.1
const RETRY = { maxMs: 300_000, jitter: 0.2 }
/** The first retry waits for this part of the lifetime, at least a second: short lives cannot wait long. */
const FIRST_RETRY = 1 / 50
const SHORTEST_RETRY_MS = 1000

/** Over so much time a fleet spreads the renewals that a tainted root causes. */
const TAINTED_SPREAD_MS = 5000

const generate = promisify(generateKeyPair)

/**
 * Credentials from a control server that signs CSRs: a new P-256 key for every SVID, made in memory and never written; renewed
 * at 50 % +-10 % of the lifetime, with back-off when that fails.
 */
export class IssuedSource {
  readonly #options: IssuedSourceOptions
  readonly #cell: WatchCell<Credentials>
  readonly #backoff: Backoff
  #timer: Timer | undefined
  #renewing = false
  #closed = false

  private constructor(options: IssuedSourceOptions, first: Credentials) {
    this.#options = options
    this.#cell = new WatchCell(first)
    const initialMs = Math.max(SHORTEST_RETRY_MS, (first.svid.notAfterMs - options.clock.now()) * FIRST_RETRY)
    this.#backoff = new Backoff({ ...RETRY, initialMs: Math.min(initialMs, RETRY.maxMs) }, options.random)
    this.#schedule(first)
  }

  /** Attests. Rejects with what the issuer answered, or with why its answer cannot be used. */
  static async open(options: IssuedSourceOptions): Promise<IssuedSource> {
    return new IssuedSource(options, await obtain(options, options.attest))
  }

  get credentials(): Watch<Credentials> {
    return this.#cell
  }

  /** New roots, between renewals. When that of our own SVID is being given up, another SVID is asked for soon. */
  setBundles(bundles: TrustBundleSet): void {
    const { svid } = this.#cell.current
    this.#cell.set(Object.freeze({ svid, bundles }))
    if (!this.#renewing && isTainted(this.#cell.current)) this.#schedule(this.#cell.current)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #schedule(credentials: Credentials): void {
    const { clock, random } = this.#options
    const part = RENEW_AT + RENEW_JITTER * (2 * random() - 1)
    // Counted from now, when it was issued: notBefore is back-dated for clocks that differ.
    const regularMs = (credentials.svid.notAfterMs - clock.now()) * part
    this.#renewIn(isTainted(credentials) ? Math.min(regularMs, TAINTED_SPREAD_MS * random()) : regularMs)
  }

  #renewIn(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(delayMs, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    const { onRenewed, onRenewalFailed } = this.#options
    this.#renewing = true
    try {
      const { svid, bundles } = await obtain(this.#options, this.#options.renew)
      if (this.#closed) return
      const present = this.#cell.current.bundles
      // Newer ones may have come by the other way meanwhile.
      const credentials = Object.freeze({
        svid,
        bundles: olderBundle(bundles, present) === undefined ? bundles : present,
      })
      this.#backoff.reset()
      this.#cell.set(credentials)
      onRenewed(credentials)
      this.#schedule(credentials)
    } catch (error) {
      if (this.#closed) return
      const retryInMs = this.#backoff.next()
      onRenewalFailed(describeError(error), retryInMs)
      this.#renewIn(retryInMs)
    } finally {
      this.#renewing = false
    }
  }
}

function isTainted({ svid: { id, authorityFingerprint }, bundles }: Credentials): boolean {
  return bundles.get(trustDomainOf(id))?.tainted.has(authorityFingerprint) ?? false
}

async function obtain(options: IssuedSourceOptions, ask: (csr: Buffer) => Promise<Issued>): Promise<Credentials> {
  const { privateKey }: { privateKey: KeyObject } = await generate('ec', { namedCurve: 'P-256' })
  const { chain, bundles } = await ask(buildCsr(privateKey, options.id))
  const svid = loadSvid(chain, privateKey, bundles, options.clock.now())
  if (svid.id !== options.id) {
    throw new OutriderError('svid-id-unexpected', `the SVID is for ${svid.id}; ${options.id} was asked for`)
  }
  return Object.freeze({ svid, bundles })
}
