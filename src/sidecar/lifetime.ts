import type { Ending } from '../http/exchange.ts'
import type { Svid } from '../identity/svid.ts'
import type { VerifiedPeer } from '../identity/verify.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Watch } from '../lib/watch.ts'
import type { Credentials } from '../mtls/credentials.ts'
import type { Distrust } from '../mtls/distrust.ts'
import { farewellText } from '../mtls/farewell.ts'
import { isStillTrusted, isTainted } from '../mtls/peer.ts'

/** A connection, as far as its end goes; from the gentlest way on. */
export interface Endable {
  /** Tells the other end to open nothing more on it. None of its requests is lost. */
  retire(): void
  /** Ends after what is under way; at once when nothing is. */
  close(): void
  destroy(ending: Ending): void
}

/** What a connection stands on: the two certificates of its handshake. */
export interface Foundation {
  readonly peer: VerifiedPeer
  /** Ours. */
  readonly svid: Pick<Svid, 'id' | 'notAfterMs' | 'authorityFingerprint'>
}

export interface LifetimeOptions {
  readonly clock: Clock
  readonly credentials: Watch<Credentials>
  readonly distrust: Distrust
  /** See the option `taintGraceMs`. */
  readonly taintGraceMs: number
  /** Which end we are: the one that opens requests leaves first, so that none is on its way to a server that leaves. */
  readonly role: 'client' | 'server'
  /** Called when the connection is cut, before it is. */
  readonly onCut: (ending: Ending) => void
}

/** The connection is wound up this long before it expires: a tenth of what it has left when it is opened, at most a minute. */
const EXPIRY_MARGIN = 0.1
const LONGEST_EXPIRY_MARGIN_MS = 60_000
/** The part of the margin that a server uses. */
const SERVER_PART = 0.75
/** By how much a client cuts before the server does, at most: it alone can tell its application why. */
const CLIENT_LEAD_MS = 250
/** From `retire` to `close` where nothing expires soon, at most. */
const RETIRED_MS = 5_000
/** How long a change of the wall clock, or a machine that slept, can go unseen. */
const LONGEST_WAIT_MS = 60_000

/** When a connection ends: wall-clock times. */
interface Plan {
  readonly retireAtMs: number
  readonly closeAtMs: number
  readonly cutAtMs: number
  readonly ending: Ending
}

/** Wall-clock time after which nothing may be sent on the connection. */
export function expiryOf({ peer, svid }: Foundation): number {
  return Math.min(peer.notAfterMs, svid.notAfterMs)
}

/**
 * Ends a mutual TLS connection no later than the certificates and the trust that it was opened with: gently before one of them
 * expires, and by force when it does; at once when its peer is believed no longer, or the root of our own certificate has left the
 * bundle; gently when an authority below it is tainted, and by force `taintGraceMs` later. Our own tainted certificate
 * counts from the moment that we have another; the peer's, after it had as long to get one. Returns the way out, for when it has
 * closed by itself.
 */
export function endWithCertificates(connection: Endable, foundation: Foundation, options: LifetimeOptions): () => void {
  const lifetime = new Lifetime(connection, foundation, options)
  lifetime.look()
  return () => lifetime.stop()
}

class Lifetime {
  readonly #connection: Endable
  readonly #foundation: Foundation
  readonly #options: LifetimeOptions
  readonly #expiry: Plan
  #taint: Plan | undefined
  #timer: Timer | undefined
  readonly #unsubscribe: readonly (() => void)[]
  /** The root of our own certificate was in the bundle when the connection was opened. Else it is the peer's to judge. */
  readonly #ownTrusted: boolean
  #retired = false
  #closed = false
  #over = false

  constructor(connection: Endable, foundation: Foundation, options: LifetimeOptions) {
    const { clock, credentials, distrust, role } = options
    this.#connection = connection
    this.#foundation = foundation
    this.#ownTrusted = isStillTrusted(foundation.svid, credentials.current.bundles)
    this.#options = options
    const expiresAtMs = expiryOf(foundation)
    const most = Math.min(LONGEST_EXPIRY_MARGIN_MS, (expiresAtMs - clock.now()) * EXPIRY_MARGIN)
    const margin = role === 'client' ? most : most * SERVER_PART
    this.#expiry = {
      retireAtMs: expiresAtMs - margin,
      closeAtMs: expiresAtMs - margin / 2,
      cutAtMs: role === 'client' ? expiresAtMs - Math.min(CLIENT_LEAD_MS, margin / 4) : expiresAtMs,
      ending: {
        code: 'identity-expired',
        message: `a certificate of the connection has expired: ${whose(foundation)}`,
      },
    }
    const look = (): void => this.look()
    this.#unsubscribe = [distrust.subscribe(look), credentials.subscribe(look)]
  }

  /** Something about the trust may have changed. */
  look(): void {
    if (this.#over) return
    const withdrawn = this.#withdrawn()
    if (withdrawn !== undefined) return this.#cut(withdrawn)
    this.#taint = this.#taintPlan()
    this.#next()
  }

  stop(): void {
    this.#over = true
    this.#timer?.cancel()
    for (const stop of this.#unsubscribe) stop()
  }

  #withdrawn(): Ending | undefined {
    const { distrust, credentials, clock } = this.#options
    const { peer, svid } = this.#foundation
    const refusal = distrust.of(peer)
    if (refusal !== undefined) {
      const { code, message, expected } = refusal
      return {
        code: 'identity-withdrawn',
        message: `${code}: ${message}${expected === undefined ? '' : `; wanted: ${expected}`}`,
        farewell: farewellText(refusal, clock.now()),
      }
    }
    if (!this.#ownTrusted || isStillTrusted(svid, credentials.current.bundles)) return undefined
    return {
      code: 'identity-withdrawn',
      message: 'the root of our own certificate on it is no longer in the trust bundle',
    }
  }

  /** Keeps the plan that there is: its times count from when the taint was first seen. */
  #taintPlan(): Plan | undefined {
    const { credentials, clock, taintGraceMs } = this.#options
    const { peer, svid } = this.#foundation
    const { bundles, svid: present } = credentials.current
    const own = isTainted(svid, bundles) && !isTainted(present, bundles)
    if (!own && !isTainted(peer, bundles)) return undefined
    const from = clock.now() + (own ? 0 : taintGraceMs)
    if (this.#taint !== undefined && this.#taint.retireAtMs <= from) return this.#taint
    return {
      retireAtMs: from,
      closeAtMs: from + Math.min(RETIRED_MS, taintGraceMs / 2),
      cutAtMs: from + taintGraceMs,
      ending: {
        code: 'identity-withdrawn',
        message: `an authority of the connection is tainted: ${own ? 'ours' : "the peer's"}`,
      },
    }
  }

  /** Does what is due, and waits for what is next. */
  #next(): void {
    this.#timer?.cancel()
    if (this.#over) return
    const plans = this.#taint === undefined ? [this.#expiry] : [this.#expiry, this.#taint]
    const { clock } = this.#options
    const now = clock.now()
    const due = plans.find(({ cutAtMs }) => cutAtMs <= now)
    if (due !== undefined) return this.#cut(due.ending)
    if (!this.#closed && plans.some(({ closeAtMs }) => closeAtMs <= now)) {
      this.#retired = true
      this.#closed = true
      this.#connection.close()
    } else if (!this.#retired && plans.some(({ retireAtMs }) => retireAtMs <= now)) {
      this.#retired = true
      this.#connection.retire()
    }
    // It may have closed by that.
    if (this.#over) return
    const times = plans.map(({ retireAtMs, closeAtMs, cutAtMs }) =>
      this.#closed ? cutAtMs : this.#retired ? closeAtMs : retireAtMs,
    )
    const left = Math.max(0, Math.min(...times) - now)
    this.#timer = clock.after(Math.min(left, LONGEST_WAIT_MS), () => this.#next())
  }

  #cut(ending: Ending): void {
    this.stop()
    this.#options.onCut(ending)
    this.#connection.destroy(ending)
  }
}

function whose({ peer, svid }: Foundation): string {
  return peer.notAfterMs < svid.notAfterMs ? `that of ${peer.id}` : `our own, ${svid.id}`
}
