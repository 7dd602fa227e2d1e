import { Backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { pause } from '../lib/pause.ts'
import type { Random } from '../lib/random.ts'
import type { ApiClient } from './client.ts'
import { ApiError } from './failure.ts'
import type { Selection } from './list.ts'
import { nameOfType, type ResourceType } from './objects.ts'
import { Reflected } from './reflected.ts'
import type { ReflectEvents, Reflection } from './reflection.ts'
import type { WatchEvent } from './watch.ts'

export type { ReflectEvents, Reflection } from './reflection.ts'

export interface ReflectLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface ReflectSurroundings {
  readonly clock: Clock
  readonly random: Random
  readonly log: ReflectLog
}

export interface Reflector {
  /** Lists once more, from now: a list that is under way is followed by another one. Calls meanwhile count as one. */
  relist(): void
  /** Nothing is told any more. */
  close(): void
}

const RETRY = { initialMs: 200, maxMs: 30_000, jitter: 0.3 }
/** A watch lasts 5 to 10 minutes, so that those of many clients do not end together. */
const MIN_WATCH_SECONDS = 300
/** A stream that lasts so long was a good one, whatever ended it. */
const GOOD_STREAM_MS = 5_000
/** So many streams in a row that are cut at once are a fault, though each call of them is accepted. */
const MAX_CUTS = 3
/** After these a watch from the same version would fail in the same way. */
const SAME_AGAIN: ReadonlySet<string> = new Set(['kubernetes-gone', 'kubernetes-answer', 'kubernetes-too-many'])

/**
 * Keeps what `events` was told equal to a collection of the cluster: a list, then a watch that is taken up again where it ended.
 * A version that the API server has forgotten (410) leads to a new list. It never gives up: failures are tried again with back-off.
 */
export function reflect(
  client: ApiClient,
  reflection: Reflection,
  events: ReflectEvents,
  surroundings: ReflectSurroundings,
): Reflector {
  const loop = new ReflectLoop(client, reflection, events, surroundings)
  void loop.run()
  return { relist: () => loop.relist(), close: () => loop.close() }
}

/** What became of one list or one watch. */
type Outcome =
  | { readonly kind: 'done' }
  /** A watch that was accepted and is over. */
  | { readonly kind: 'ended'; readonly error?: OutriderError }
  | { readonly kind: 'failed'; readonly error: OutriderError; readonly relist: boolean }

class ReflectLoop {
  readonly #client: ApiClient
  readonly #reflection: Reflection
  readonly #events: ReflectEvents
  readonly #surroundings: ReflectSurroundings
  readonly #reflected: Reflected
  readonly #backoff: Backoff
  readonly #over: AbortController = new AbortController()
  /** Where a watch goes on; undefined: only a list can tell. */
  #version: string | undefined
  /** Failures since the last progress. */
  #setbacks = 0
  /** The API server was away, and may not be what it was. */
  #doubtful = false
  /** Streams without progress, one after the other. */
  #cuts = 0
  #relistWanted = false
  #watching: AbortController | undefined
  #synced = false
  #reason: string | undefined

  constructor(client: ApiClient, reflection: Reflection, events: ReflectEvents, surroundings: ReflectSurroundings) {
    this.#client = client
    this.#reflection = reflection
    this.#events = events
    this.#surroundings = surroundings
    this.#reflected = new Reflected(reflection, events)
    this.#backoff = new Backoff(RETRY, surroundings.random)
  }

  relist(): void {
    this.#relistWanted = true
    this.#watching?.abort()
  }

  close(): void {
    this.#over.abort()
    this.#watching?.abort()
  }

  get #closed(): boolean {
    return this.#over.signal.aborted
  }

  async run(): Promise<void> {
    while (!this.#closed) {
      const listing = this.#relistWanted || this.#version === undefined
      const outcome = await (listing ? this.#list() : this.#follow(this.#version ?? ''))
      if (this.#closed) return
      const delayMs = this.#weigh(outcome)
      if (delayMs > 0) await pause(delayMs, this.#surroundings.clock, this.#over.signal)
    }
  }

  /** Draws the conclusions; gives how long to wait in milliseconds. */
  #weigh(outcome: Outcome): number {
    if (outcome.kind === 'done') return 0
    const { error } = outcome
    const forgotten = outcome.kind === 'failed' && error?.code === 'kubernetes-gone' && this.#version !== undefined
    if (outcome.kind === 'failed') {
      if (outcome.relist) this.#version = undefined
      this.#doubtful = !outcome.relist
      // To be too late is no fault: the list that comes now says whether anything is broken.
      if (!forgotten) this.#broken(outcome.error)
    }
    if (outcome.kind === 'ended') {
      this.#cuts += 1
      if (this.#cuts >= MAX_CUTS && outcome.error !== undefined) this.#broken(outcome.error)
    }
    const first = this.#setbacks === 0 && (forgotten || outcome.kind === 'ended')
    this.#setbacks += 1
    const asksMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0
    const delayMs = first ? 0 : Math.min(RETRY.maxMs, Math.max(this.#backoff.next(), asksMs))
    this.#surroundings.log.debug(
      { ...this.#what, ...(error && { error: describeError(error) }), retryInMs: Math.round(delayMs) },
      this.#version === undefined ? 'a collection is listed again' : 'a watch is taken up again',
    )
    return delayMs
  }

  async #list(): Promise<Outcome> {
    this.#relistWanted = false
    const { type, ...selection } = this.#reflection
    try {
      const { items, resourceVersion } = await this.#client.list(type, { ...selection, signal: this.#over.signal })
      if (this.#closed) return { kind: 'done' }
      this.#version = resourceVersion
      this.#reflected.replace(items, resourceVersion)
      return { kind: 'done' }
    } catch (error) {
      return { kind: 'failed', error: this.#errorOf(error), relist: true }
    }
  }

  async #follow(from: string): Promise<Outcome> {
    const { type, namespace, labelSelector, fieldSelector } = this.#reflection
    const selection: Selection = {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    }
    try {
      // A watch from a version that is still to come is accepted, and silent: of a cluster that was set back to a backup.
      if (this.#doubtful) {
        const now = await this.#client.version(type, { ...selection, signal: this.#over.signal })
        if (isBefore(now, from)) return setBack(type, now, from)
        this.#doubtful = false
      }
    } catch (error) {
      const known = this.#errorOf(error)
      return { kind: 'failed', error: known, relist: isHopeless(known) }
    }
    // Meanwhile a list was asked for.
    return this.#relistWanted ? { kind: 'done' } : this.#watch(from, selection)
  }

  async #watch(from: string, selection: Selection): Promise<Outcome> {
    const { random, clock } = this.#surroundings
    const watching = new AbortController()
    this.#watching = watching
    const startedAt = clock.monotonic()
    let opened = false
    let thrown: unknown
    try {
      const last = await this.#client.watch(this.#reflection.type, {
        ...selection,
        resourceVersion: from,
        timeoutSeconds: MIN_WATCH_SECONDS + Math.floor(random() * MIN_WATCH_SECONDS),
        signal: watching.signal,
        opened: () => {
          opened = true
          if (this.#cuts < MAX_CUTS) this.#nowSynced()
        },
        told: (event) => {
          try {
            this.#tell(event)
          } catch (error) {
            thrown = error
            watching.abort()
          }
        },
      })
      if (last !== undefined) return { kind: 'failed', error: last, relist: true }
    } catch (error) {
      if (!watching.signal.aborted) {
        const known = this.#errorOf(error)
        if (opened && known.code === 'kubernetes-unreachable') return { kind: 'ended', error: known }
        return { kind: 'failed', error: known, relist: isHopeless(known) }
      }
    } finally {
      this.#watching = undefined
      if (clock.monotonic() - startedAt >= GOOD_STREAM_MS) this.#progress()
    }
    if (thrown !== undefined) return { kind: 'failed', error: this.#errorOf(thrown), relist: true }
    return watching.signal.aborted ? { kind: 'done' } : { kind: 'ended' }
  }

  #tell(event: WatchEvent): void {
    if (this.#closed || this.#relistWanted) return
    if (event.type === 'bookmark') this.#events.progressed(event.resourceVersion)
    else this.#reflected.change(event.type, event.object, event.resourceVersion)
    if (event.resourceVersion !== this.#version) this.#progress()
    this.#version = event.resourceVersion
    this.#nowSynced()
  }

  #progress(): void {
    this.#setbacks = 0
    this.#cuts = 0
    this.#backoff.reset()
  }

  #nowSynced(): void {
    if (this.#synced) return
    this.#synced = true
    this.#reason = undefined
    this.#surroundings.log.info(this.#what, 'in step with the API server')
    this.#events.state('synced')
  }

  #broken(error: OutriderError): void {
    if (!this.#synced && this.#reason === error.message) return
    this.#synced = false
    this.#reason = error.message
    this.#surroundings.log.warn({ ...this.#what, error }, 'not in step with the API server')
    this.#events.state('broken', error)
  }

  get #what(): { readonly collection: string; readonly namespace?: string } {
    const { type, namespace } = this.#reflection
    return { collection: nameOfType(type), ...(namespace === undefined ? {} : { namespace }) }
  }

  /** Whatever was thrown; what is not ours came from `events` or `slim`. */
  #errorOf(error: unknown): OutriderError {
    return error instanceof OutriderError
      ? error
      : new OutriderError(
          'kubernetes-not-taken',
          `what came from the API server was not taken: ${describeError(error)}`,
          {
            source: 'internal',
            cause: error,
          },
        )
  }
}

/** Versions are decimal numbers of one etcd, larger than a `number` may be. Of others nothing is known. */
function isBefore(one: string, other: string): boolean {
  const decimal = /^\d{1,20}$/
  return decimal.test(one) && decimal.test(other) && BigInt(one) < BigInt(other)
}

function setBack(type: ResourceType, now: string, known: string): Outcome {
  const text = `${nameOfType(type)}: the API server is at version ${now}, and was at ${known}: it was set back`
  return { kind: 'failed', error: new ApiError('kubernetes-set-back', text), relist: true }
}

function isHopeless(error: OutriderError): boolean {
  if (SAME_AGAIN.has(error.code) || !(error instanceof ApiError)) return true
  // Of an API server that was set back to an older state, or is behind the one that we knew.
  const ahead = error.causes.some(({ reason }) => reason === 'ResourceVersionTooLarge')
  return ahead || (error.code === 'kubernetes-refused' && !error.retryable)
}
