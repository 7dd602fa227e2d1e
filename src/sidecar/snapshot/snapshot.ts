import { type Watch, WatchCell } from '../../lib/watch.ts'
import { closedPolicy } from '../../policy/closed.ts'
import type { CompiledPolicy, UnreadableResource } from '../../policy/compile.ts'
import type { ResolvedResource, Violation } from '../../policy/model.ts'
import type { Resource__Output } from '../../wire/outrider/policy/v1/Resource.ts'
import type { Clock } from '../../lib/clock.ts'
import type { BucketKeeper } from '../../ratelimit/buckets.ts'
import type { sidecarMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'
import type { Logger } from '../../telemetry/log.ts'

/** As it came: perhaps of a kind that this version does not know. */
export interface SentName {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** One resource as it was sent: read, or what could be made out about it. */
export type Held =
  | { readonly ok: true; readonly name: SentName; readonly revision: number; readonly resource: ResolvedResource }
  | {
      readonly ok: false
      readonly name: SentName
      readonly revision: number
      readonly unreadable: UnreadableResource
      readonly violations: readonly Violation[]
    }

/** All that the control server has sent, by resourceKey. */
export type HeldResources = ReadonlyMap<string, Held>

export const policySources = ['none', 'control', 'last-good'] as const
/** Where the policy in force is from. */
export type PolicySource = (typeof policySources)[number]

/** Where a policy is from: the stream, or the copy on disk. Times by the wall clock. */
export type Origin =
  | { readonly source: 'control' }
  | {
      readonly source: 'last-good'
      /** When the copy was last known to be what the control server wants. */
      readonly syncedAtMs: number
      /** How old it may become: see the option `lastGoodMaxAgeMs`. */
      readonly maxAgeMs: number
    }

/** A moment by both clocks: the wall clock may be set back, the other one begins anew with the process. */
interface Mark {
  readonly atMs: number
  readonly markedAtMs: number
  /** What was over since `atMs` when it was marked. */
  readonly ageMs: number
}

/** Who wants to know what came over the wire, to its last field. */
export interface SentResources {
  note(held: Held, message: Resource__Output): void
}

/** What this sidecar enforces, and out of which resources it was made. Replaced as a whole. */
export class Snapshot {
  readonly clock: Clock
  readonly buckets: BucketKeeper
  readonly metrics: MetricsOf<typeof sidecarMetrics>
  readonly log: Logger
  /** Absent: nobody; then no message outlives its update. */
  sent: SentResources | undefined
  readonly #policy = new WatchCell<CompiledPolicy>(closedPolicy('no policy has come from the control server yet'))
  #held: HeldResources = new Map()
  #revision = 0
  #appliedAtMs: number | undefined
  #origin: Origin | undefined
  /** The last moment in step with the control server; undefined while in step, and before the first policy. */
  #lastInStep: Mark | undefined
  #expired = false

  constructor(clock: Clock, buckets: BucketKeeper, metrics: MetricsOf<typeof sidecarMetrics>, log: Logger) {
    this.clock = clock
    this.buckets = buckets
    this.metrics = metrics
    this.log = log
    this.#tellSource()
  }

  get policy(): Watch<CompiledPolicy> {
    return this.#policy
  }

  get held(): HeldResources {
    return this.#held
  }

  /** 0 before the first update. */
  get revision(): number {
    return this.#revision
  }

  get appliedAtMs(): number | undefined {
    return this.#appliedAtMs
  }

  get source(): PolicySource {
    return this.#origin?.source ?? 'none'
  }

  /** Whether the stream is open and what came over it is in force. */
  get inStep(): boolean {
    return this.#origin !== undefined && this.#lastInStep === undefined
  }

  /** Wall-clock time at which the policy in force was last known to be what the control server wants; undefined before the first. */
  get syncedAtMs(): number | undefined {
    if (this.#origin === undefined) return undefined
    return this.#lastInStep?.atMs ?? this.clock.now()
  }

  /** Milliseconds since then. A wall clock that is set back makes it no younger. */
  get ageMs(): number | undefined {
    if (this.#origin === undefined) return undefined
    if (this.#lastInStep === undefined) return 0
    const { atMs, markedAtMs, ageMs } = this.#lastInStep
    return Math.max(0, this.clock.now() - atMs, ageMs + this.clock.monotonic() - markedAtMs)
  }

  /** How long what gives something stays in force, of a last-good copy; undefined where nothing ends it. 0: it is over. */
  get leftMs(): number | undefined {
    if (this.#origin?.source !== 'last-good') return undefined
    return Math.max(0, this.#origin.maxAgeMs - (this.ageMs ?? 0))
  }

  /** Wall-clock time at which `leftMs` is 0, unless the clock is set; undefined as that is. */
  get untilMs(): number | undefined {
    if (this.#origin?.source !== 'last-good') return undefined
    return this.#origin.syncedAtMs + this.#origin.maxAgeMs
  }

  /** Whether the last-good copy has become too old, and what gives something was taken out of force. */
  get expired(): boolean {
    return this.#expired
  }

  /** The swap: every request that begins later is decided with `policy`. */
  replace(policy: CompiledPolicy, held: HeldResources, revision: number, origin: Origin): void {
    this.#held = held
    this.#revision = revision
    this.#appliedAtMs = this.clock.now()
    this.#origin = origin
    this.#lastInStep = origin.source === 'control' ? undefined : this.#mark(origin.syncedAtMs)
    this.#expired = false
    this.#tellSource()
    this.#policy.set(policy)
  }

  /** Leaves of a last-good copy what takes something away. */
  expire(policy: CompiledPolicy, held: HeldResources): void {
    this.#held = held
    this.#expired = true
    this.#policy.set(policy)
  }

  /** The stream is lost. */
  outOfStep(): void {
    if (this.inStep) this.#lastInStep = this.#mark(this.clock.now())
  }

  #mark(atMs: number): Mark {
    return { atMs, markedAtMs: this.clock.monotonic(), ageMs: Math.max(0, this.clock.now() - atMs) }
  }

  #tellSource(): void {
    for (const source of policySources) this.metrics.policySource.with({ source }).set(source === this.source ? 1 : 0)
  }
}
