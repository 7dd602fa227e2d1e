import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { lastingOf } from '../../policy/lasting.ts'
import type { Logger } from '../../telemetry/log.ts'
import { compileResources } from '../snapshot/compile.ts'
import { takeLastGood } from '../snapshot/path.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { Keeper } from './keeper.ts'
import type { PolicyFile } from './policy-file.ts'
import { decodeResources } from './resources.ts'

export interface FallbackOptions {
  readonly snapshot: Snapshot
  readonly policyFile: PolicyFile
  readonly keeper: Keeper
  /** Why the control server, which is there, gives no policy: its word counts more than the copy. */
  readonly refusal: () => OutriderError | undefined
  /** What is held is not what a stream that is open has said: another one has to begin. */
  readonly onHeld: () => void
  readonly waitMs: number
  readonly maxAgeMs: number
  readonly clock: Clock
  readonly log: Logger
}

/** A copy that is from later than this after now is from a clock that cannot be believed, or is forged. */
const TOLERATED_AHEAD_MS = 5 * 60_000
/** How long a change of the wall clock, or a machine that slept, can go unseen. */
const LONGEST_WAIT_MS = 60_000

/**
 * The policy of the last-good copy, for as long as the control server gives none: taken once, a while after the start, as a whole or not
 * at all, and left when the control server speaks. When it becomes too old, what gives something is taken out of force.
 */
export class Fallback {
  readonly #options: FallbackOptions
  #timer: Timer | undefined
  #unsubscribe: (() => void) | undefined
  #fault: string | undefined

  constructor(options: FallbackOptions) {
    this.#options = options
    this.#timer = options.clock.after(options.waitMs, () => void this.#take())
  }

  /** Why there is no policy from here; undefined when there is, or nobody has looked yet. */
  get fault(): string | undefined {
    if (this.#options.snapshot.expired) return 'the last-good policy is too old (last-good-too-old)'
    return this.#options.snapshot.revision > 0 ? undefined : this.#fault
  }

  close(): void {
    this.#timer?.cancel()
    this.#unsubscribe?.()
  }

  async #take(): Promise<void> {
    const { snapshot, policyFile, refusal, keeper, log } = this.#options
    try {
      const identity = await keeper.settled()
      if (snapshot.revision > 0) return
      const refused = refusal()
      if (refused !== undefined) throw refused
      this.#takeCopy(identity)
    } catch (error) {
      const code = error instanceof OutriderError ? error.code : 'last-good-malformed'
      const place = error instanceof OutriderError && error.place !== undefined ? ` ${error.place}` : ''
      this.#fault = `no last-good policy${place}: ${describeError(error)} (${code})`
      log.error(
        { error, path: policyFile.path },
        'the last-good policy is not used: nothing is served before the control server gives one',
      )
    }
  }

  #takeCopy(identity: Awaited<ReturnType<Keeper['settled']>>): void {
    const { snapshot, policyFile, maxAgeMs, clock, log, onHeld } = this.#options
    const copy = policyFile.read(identity, (error) =>
      log.error({ error }, 'the time beside the last-good policy is refused: the policy counts as older'),
    )
    const place = policyFile.path
    if (copy === undefined) throw new OutriderError('last-good-missing', 'there is no copy', { place })
    const { revision, syncedAtMs, body } = copy
    const syncedAt = new Date(syncedAtMs).toISOString()
    const ageMs = clock.now() - syncedAtMs
    if (ageMs < -TOLERATED_AHEAD_MS) {
      throw new OutriderError('last-good-from-future', `it is from ${syncedAt}, which is not yet: look at the clock`, {
        place,
      })
    }
    if (ageMs >= maxAgeMs) {
      throw new OutriderError(
        'last-good-too-old',
        `it was last current at ${syncedAt}, longer ago than lastGoodMaxAgeMs (${maxAgeMs})`,
        { place },
      )
    }
    const changed = decodeResources(body)
    this.#unsubscribe = snapshot.policy.subscribe(() => this.#look())
    takeLastGood({ revision, nonce: '', changed: [...changed], removed: [], reportHealthEveryMs: 0 }, snapshot, {
      source: 'last-good',
      syncedAtMs,
      maxAgeMs,
    })
    const until = new Date(snapshot.untilMs ?? 0).toISOString()
    log.warn(
      { revision, syncedAt, ageMs, until },
      'the control server gives no policy: the last-good one is in force until it does',
    )
    this.#look()
    onHeld()
  }

  /** Whether it is over: the control server has spoken, or it is too late. */
  #look(): void {
    const { snapshot, clock, log } = this.#options
    this.#timer?.cancel()
    if (snapshot.source === 'control') {
      this.#unsubscribe?.()
      log.info({ revision: snapshot.revision }, 'the control server has taken over from the last-good policy')
      return
    }
    const { leftMs } = snapshot
    if (snapshot.expired || leftMs === undefined) return
    if (leftMs > 0) this.#timer = clock.after(Math.min(leftMs, LONGEST_WAIT_MS), () => this.#look())
    else this.#expire()
  }

  #expire(): void {
    const { snapshot, log, onHeld } = this.#options
    const held = new Map([...snapshot.held].filter(([, each]) => !each.ok || lastingOf(each.resource) === 'always'))
    const { policy } = compileResources(held)
    const { size } = snapshot.held
    snapshot.buckets.retain(policy.limits.plans)
    snapshot.expire(policy, held)
    onHeld()
    log.error(
      { code: 'last-good-too-old', resources: size, left: held.size },
      'the last-good policy is too old: nothing is allowed before the control server gives another one',
    )
  }
}
