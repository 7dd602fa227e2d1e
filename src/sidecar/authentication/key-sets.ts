import type { VerificationKeys } from '../../identity/jwk-set.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import type { KeyTimes } from '../../policy/authentication.ts'
import type { CompiledPolicy } from '../../policy/compile.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { sidecarMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'

/** What is known of the keys that are published at one address. Plain data: it goes to other threads as it is. */
export interface KeySetState {
  /** Absent: they never came, or could not be had anew for too long. */
  readonly keys: VerificationKeys | undefined
  /** Rises when others come. */
  readonly generation: number
  /** A question is under way. */
  readonly asking: boolean
  /** Answers and failures so far. */
  readonly answers: number
  /** Wall-clock time before which nobody can have them asked for early. */
  readonly notBeforeMs: number
  /** When `keys` were got. */
  readonly fetchedAtMs: number | undefined
  /** Of the last question, when it failed. */
  readonly failure: { readonly code: string; readonly message: string } | undefined
}

/** By address. */
export type KeySetStates = ReadonlyMap<string, KeySetState>

export interface KeySetKeeperOptions {
  readonly policy: Watch<CompiledPolicy>
  /** Rejects with an OutriderError. */
  readonly fetchKeys: (uri: string, signal: AbortSignal) => Promise<VerificationKeys>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: MetricsOf<typeof sidecarMetrics>
}

/** Tokens with unknown keys are a stranger's to send: no more than one question in so long comes of them. */
const EARLY_MS = 30_000
const RETRY = { initialMs: 1000, maxMs: 60_000, jitter: 0.2 }
/** Part of `refreshMs` by which a question may come earlier, so that sidecars do not ask all at once. */
const JITTER = 0.2

/**
 * The keys of issuers that publish them at an address, for all threads of the process: asked for when a policy names them, anew
 * in the background, and early when a token names a key that is not among them. While they cannot be had the last ones serve, for
 * `staleMs` after they were due; then there are none.
 */
export class KeySetKeeper {
  readonly #options: KeySetKeeperOptions
  readonly #states = new WatchCell<KeySetStates>(new Map())
  readonly #sources = new Map<string, KeySource>()
  readonly #unsubscribe: () => void

  constructor(options: KeySetKeeperOptions) {
    this.#options = options
    this.#retain(options.policy.current.authentication.keySources)
    this.#unsubscribe = options.policy.subscribe(({ authentication }) => this.#retain(authentication.keySources))
  }

  get states(): Watch<KeySetStates> {
    return this.#states
  }

  /** A token names a key that is not among those of `uri`, or there are none. */
  want(uri: string): void {
    this.#sources.get(uri)?.askEarly()
  }

  close(): void {
    this.#unsubscribe()
    for (const source of this.#sources.values()) source.close()
    this.#sources.clear()
  }

  #retain(wanted: ReadonlyMap<string, KeyTimes>): void {
    let changed = false
    for (const [uri, source] of this.#sources) {
      if (wanted.has(uri)) continue
      source.close()
      this.#sources.delete(uri)
      changed = true
    }
    const added: KeySource[] = []
    for (const [uri, times] of wanted) {
      const source = this.#sources.get(uri)
      if (source !== undefined) source.times = times
      else {
        const made = new KeySource(uri, times, this.#options, () => this.#publish())
        this.#sources.set(uri, made)
        added.push(made)
      }
    }
    if (changed) this.#publish()
    for (const source of added) source.ask()
  }

  #publish(): void {
    this.#states.set(new Map([...this.#sources].map(([uri, { state }]) => [uri, state])))
  }
}

/** One address. */
class KeySource {
  times: KeyTimes
  readonly #uri: string
  readonly #options: KeySetKeeperOptions
  readonly #changed: () => void
  readonly #backoff: Backoff
  readonly #closed = new AbortController()
  #state: KeySetState = {
    keys: undefined,
    generation: 0,
    asking: false,
    answers: 0,
    notBeforeMs: 0,
    fetchedAtMs: undefined,
    failure: undefined,
  }
  /** Monotonic. */
  #fetchedAt = Number.NEGATIVE_INFINITY
  #next: Timer | undefined
  #stale: Timer | undefined

  constructor(uri: string, times: KeyTimes, options: KeySetKeeperOptions, changed: () => void) {
    this.#uri = uri
    this.times = times
    this.#options = options
    this.#changed = changed
    this.#backoff = new Backoff(RETRY, options.random)
  }

  get state(): KeySetState {
    return this.#state
  }

  askEarly(): void {
    if (!this.#state.asking && this.#options.clock.now() >= this.#state.notBeforeMs) this.ask()
  }

  ask(): void {
    if (this.#state.asking) return
    const { clock, fetchKeys } = this.#options
    this.#next?.cancel()
    this.#set({ asking: true, notBeforeMs: clock.now() + EARLY_MS })
    fetchKeys(this.#uri, this.#closed.signal).then(
      (keys) => this.#came(keys),
      (error: unknown) => this.#failed(error),
    )
  }

  close(): void {
    this.#closed.abort(new OutriderError('token-provider-unreachable', 'the keys are no longer asked for'))
    this.#next?.cancel()
    this.#stale?.cancel()
    this.#options.metrics.keySetFetched.with({ key_set: this.#uri }).set(0)
  }

  #came(keys: VerificationKeys): void {
    if (this.#closed.signal.aborted) return
    const { clock, random, metrics, log } = this.#options
    const { keys: before, generation, answers, failure } = this.#state
    const changed = before === undefined || !sameKeys(before, keys)
    this.#backoff.reset()
    this.#fetchedAt = clock.monotonic()
    this.#stale?.cancel()
    this.#stale = clock.after(this.times.refreshMs + this.times.staleMs, () => this.#tooOld())
    this.#next = clock.after(this.times.refreshMs * (1 - JITTER * random()), () => this.ask())
    metrics.keySetRefreshes.with({ key_set: this.#uri, result: 'fetched' }).inc()
    metrics.keySetFetched.with({ key_set: this.#uri }).set(clock.now() / 1000)
    if (changed || failure !== undefined)
      log.info({ keySet: this.#uri, keys: keys.keys.length, ignored: keys.ignored }, 'keys of an issuer have come')
    this.#set({
      // The same object where nothing is new: what was verified with it still is.
      keys: changed ? keys : before,
      generation: generation + (changed ? 1 : 0),
      asking: false,
      answers: answers + 1,
      fetchedAtMs: clock.now(),
      failure: undefined,
    })
  }

  #failed(error: unknown): void {
    if (this.#closed.signal.aborted) return
    const { clock, metrics, log } = this.#options
    const code = error instanceof OutriderError ? error.code : 'token-provider-response'
    const retryInMs = Math.min(this.#backoff.next(), this.times.refreshMs)
    this.#next = clock.after(retryInMs, () => this.ask())
    metrics.keySetRefreshes.with({ key_set: this.#uri, result: code }).inc()
    const ageMs = Number.isFinite(this.#fetchedAt) ? clock.monotonic() - this.#fetchedAt : undefined
    log.warn({ keySet: this.#uri, error, ageMs, retryInMs }, 'keys of an issuer cannot be had: the last ones serve')
    this.#set({
      asking: false,
      answers: this.#state.answers + 1,
      failure: { code, message: describeError(error) },
    })
  }

  #tooOld(): void {
    this.#options.log.error(
      { keySet: this.#uri, failure: this.#state.failure },
      'keys of an issuer are too old: its tokens are refused',
    )
    this.#set({ keys: undefined, generation: this.#state.generation + 1 })
  }

  #set(change: Partial<KeySetState>): void {
    this.#state = { ...this.#state, ...change }
    this.#changed()
  }
}

function sameKeys(a: VerificationKeys, b: VerificationKeys): boolean {
  if (a.keys.length !== b.keys.length) return false
  return a.keys.every(({ keyId, key, algorithms }, index) => {
    const other = b.keys[index]
    return (
      other !== undefined &&
      keyId === other.keyId &&
      algorithms.join() === other.algorithms.join() &&
      key.equals(other.key)
    )
  })
}
