import { type Watch, WatchCell } from '../../lib/watch.ts'
import { closedPolicy } from '../../policy/closed.ts'
import type { CompiledPolicy, UnreadableResource } from '../../policy/compile.ts'
import type { ResolvedResource, Violation } from '../../policy/model.ts'
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

/** What this sidecar enforces, and out of which resources it was made. Replaced as a whole. */
export class Snapshot {
  readonly clock: Clock
  readonly buckets: BucketKeeper
  readonly metrics: MetricsOf<typeof sidecarMetrics>
  readonly log: Logger
  readonly #policy = new WatchCell<CompiledPolicy>(closedPolicy('no policy has come from the control server yet'))
  #held: HeldResources = new Map()
  #revision = 0
  #appliedAtMs: number | undefined

  constructor(clock: Clock, buckets: BucketKeeper, metrics: MetricsOf<typeof sidecarMetrics>, log: Logger) {
    this.clock = clock
    this.buckets = buckets
    this.metrics = metrics
    this.log = log
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

  /** The swap: every request that begins later is decided with `policy`. */
  replace(policy: CompiledPolicy, held: HeldResources, revision: number): void {
    this.#held = held
    this.#revision = revision
    this.#appliedAtMs = this.clock.now()
    this.#policy.set(policy)
  }
}
