import type { Presented } from '../identity/presented.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../telemetry/log.ts'
import type { sidecarMetrics } from '../telemetry/names.ts'
import type { MetricsOf } from '../telemetry/registry.ts'

/** A mutual TLS connection that could not be, as this side saw it. */
export interface TlsFailure {
  readonly listener: 'inbound' | 'outbound'
  /** Address and port of the other end. */
  readonly remote: string
  /** The service that was to be reached. */
  readonly service?: string
  /** Who the peer is, where that was verified. */
  readonly peer?: string
  /** A code of docs/reference/errors.md. */
  readonly reason: string
  readonly detail: string
  /** What the peer says is wrong with our certificate: its code, which proves nothing. */
  readonly theirs?: string
  /** What was shown: by the peer; or by us, where the peer refused it. */
  readonly presented?: Presented | undefined
  /** What would have been accepted. */
  readonly expected?: string | undefined
}

export interface TlsFailureRecord extends TlsFailure {
  /** Wall-clock time. */
  readonly atMs: number
}

/** Failures that the admin page shows: the last so many. */
const KEPT = 64
/** Lines of one reason and other end in each window; more are counted and not written. */
const LINES = 5
const WINDOW_MS = 10_000
/** Pairs of reason and other end in one window. What is beyond shares one more. */
const MAX_PAIRS = 64

interface Pair {
  readonly listener: string
  readonly reason: string
  /** Without the port, which is another one each time. */
  readonly from: string
  lines: number
  suppressed: number
}

/**
 * Where every failed handshake, refused certificate and refusal by a peer ends up: counted by reason, kept for the admin page, and
 * written to the log at a bounded rate, so that neither a scanner nor a fleet with a wrong root fills it.
 */
export class TlsFailures {
  readonly #metrics: MetricsOf<typeof sidecarMetrics>
  readonly #log: Logger
  readonly #clock: Clock
  readonly #kept: TlsFailureRecord[] = []
  readonly #pairs = new Map<string, Pair>()
  #window: Timer | undefined

  constructor(metrics: MetricsOf<typeof sidecarMetrics>, log: Logger, clock: Clock) {
    this.#metrics = metrics
    this.#log = log
    this.#clock = clock
  }

  /** `message` is the line's; whoever could be anybody, such as a port scanner, is worth an `info` only. */
  report(failure: TlsFailure, message: string, level: 'info' | 'warn' = 'warn'): void {
    const { listener, reason } = failure
    this.#metrics.tlsHandshakeFailures.with({ listener, reason }).inc()
    this.#kept.push({ ...failure, atMs: this.#clock.now() })
    if (this.#kept.length > KEPT) this.#kept.shift()
    const pair = this.#pair(failure)
    if (pair.lines >= LINES) {
      pair.suppressed += 1
      return
    }
    pair.lines += 1
    this.#log[level]({ ...failure, presented: presentedText(failure.presented) }, message)
  }

  /** The newest first. */
  list(): readonly TlsFailureRecord[] {
    return this.#kept.toReversed()
  }

  /** Writes what was suppressed, and waits for nothing more. */
  close(): void {
    this.#endWindow()
  }

  #pair({ listener, reason, remote }: TlsFailure): Pair {
    this.#window ??= this.#clock.after(WINDOW_MS, () => this.#endWindow())
    const from = remote.replace(/:\d+$/, '')
    const key = `${listener} ${reason} ${from}`
    const known = this.#pairs.get(key)
    if (known !== undefined) return known
    if (this.#pairs.size >= MAX_PAIRS) return this.#overflow()
    const pair: Pair = { listener, reason, from, lines: 0, suppressed: 0 }
    this.#pairs.set(key, pair)
    return pair
  }

  #overflow(): Pair {
    const pair = this.#pairs.get('') ?? { listener: 'any', reason: 'any', from: 'others', lines: 0, suppressed: 0 }
    this.#pairs.set('', pair)
    return pair
  }

  #endWindow(): void {
    this.#window?.cancel()
    this.#window = undefined
    for (const { listener, reason, from, suppressed } of this.#pairs.values()) {
      if (suppressed > 0)
        this.#log.warn({ listener, reason, from, suppressed }, 'more TLS failures of this kind, not logged')
    }
    this.#pairs.clear()
  }
}

/** What was shown, for a log or a page. */
export function presentedText(presented: Presented | undefined): object | undefined {
  if (presented === undefined) return undefined
  const { notBeforeMs, notAfterMs, ...rest } = presented
  return { ...rest, notBefore: new Date(notBeforeMs).toISOString(), notAfter: new Date(notAfterMs).toISOString() }
}
