import type { BundleDocument } from '../../identity/bundle-document.ts'
import { parseFederatedBundle } from '../../identity/federated-bundle.ts'
import type { TrustDomain } from '../../identity/spiffe-id.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'

/** What polls of one endpoint come to. */
export interface PollEvents {
  /** A document that may take the place of the present one. `nextInMs`: when the endpoint is asked again. What it throws is a failure. */
  fetched(document: BundleDocument, nextInMs: number): void
  /** What is believed stays. */
  failed(error: unknown, nextInMs: number): void
}

export interface PollOptions {
  readonly trustDomain: TrustDomain
  /** Asks the endpoint once. */
  readonly fetch: (signal: AbortSignal) => Promise<Buffer>
  /** What is believed now. */
  readonly present: () => BundleDocument | undefined
  readonly clock: Clock
  readonly random: Random
}

/** Of a publisher that hints nothing. SPIFFE Trust Domain and Bundle standard, section 4.1.2. */
const DEFAULT_REFRESH_MS = 5 * 60_000
/** Whatever is hinted: oftener is a burden on others, more rarely an old root is believed for too long. */
const MIN_REFRESH_MS = 60_000
const MAX_REFRESH_MS = 24 * 3_600_000
/** So that control servers do not all ask at one moment. */
const JITTER = 0.1
/** An early second chance, then more and more rarely. */
const RETRY = { initialMs: 5_000, maxMs: 5 * 60_000, jitter: 0.3 }

/** Asks the bundle endpoint of one trust domain, at once and then as often as its publisher hints, until it is closed. */
export class BundlePoller {
  readonly #options: PollOptions
  readonly #events: PollEvents
  readonly #backoff: Backoff
  readonly #over = new AbortController()
  #timer: Timer | undefined

  constructor(options: PollOptions, events: PollEvents) {
    this.#options = options
    this.#events = events
    this.#backoff = new Backoff(RETRY, options.random)
    this.#timer = options.clock.after(0, () => void this.#poll())
  }

  close(): void {
    this.#timer?.cancel()
    this.#over.abort()
  }

  async #poll(): Promise<void> {
    const { signal } = this.#over
    try {
      const document = await this.#fetch(signal)
      if (signal.aborted) return
      this.#events.fetched(document, this.#next(refreshAfter(document, this.#options.random)))
      this.#backoff.reset()
    } catch (error) {
      if (signal.aborted) return
      this.#events.failed(error, this.#next(this.#backoff.next()))
    }
  }

  async #fetch(signal: AbortSignal): Promise<BundleDocument> {
    const { trustDomain, fetch, present } = this.#options
    const document = parseFederatedBundle(await fetch(signal), trustDomain)
    checkNotOlder(document, present())
    return document
  }

  #next(delayMs: number): number {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(delayMs, () => void this.#poll())
    return delayMs
  }
}

/** In milliseconds. */
export function refreshAfter({ refreshHintMs = DEFAULT_REFRESH_MS }: BundleDocument, random: Random): number {
  const wanted = Math.min(MAX_REFRESH_MS, Math.max(MIN_REFRESH_MS, refreshHintMs))
  return Math.round(wanted * (1 - JITTER + 2 * JITTER * random()))
}

/** An old document that is shown again would bring back a root that was given up. Throws `bundle-older`. */
export function checkNotOlder(next: BundleDocument, present: BundleDocument | undefined): void {
  if (present?.sequenced !== true) return
  const { trustDomain, sequence } = present.bundle
  if (next.sequenced && next.bundle.sequence >= sequence) return
  const shown = next.sequenced ? `the sequence ${next.bundle.sequence}` : 'no sequence'
  throw new OutriderError(
    'bundle-older',
    `the bundle of ${trustDomain} has ${shown}, and ${sequence} is believed already: to begin anew, delete the TrustDomain and apply it again`,
    { source: 'dependency' },
  )
}
