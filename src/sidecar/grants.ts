import type { Clock, Timer } from '../lib/clock.ts'
import type { Watch } from '../lib/watch.ts'
import type { CompiledPolicy } from '../policy/compile.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Refusal } from './refusal.ts'

/** Grants that are asked about in one turn of the event loop: what else is due waits no longer than for these. */
const GRANTS_PER_TURN = 256
/** Rounds for what ends by itself are at least so far apart: many tokens, each with its own end, cause no more of them. */
const LEAST_ROUND_MS = 1000

/** What is under way by a permit: a request, a WebSocket, a TCP connection. Of one `Grants` at most, and there once. */
export abstract class Grant {
  /** Of the last time that a policy granted it. */
  asked = 0
  before: Grant | undefined
  behind: Grant | undefined
  /** Wall-clock time from which what it was granted for is believed no more; infinite when there is no such time. */
  readonly endsAtMs: number

  constructor(endsAtMs: number = Number.POSITIVE_INFINITY) {
    this.endsAtMs = endsAtMs
  }

  /** Why `policy` would not grant it at `nowMs` (wall clock); `undefined` when it would. */
  abstract refusedBy(policy: CompiledPolicy, nowMs: number): Refusal | undefined
  /** Ends what is under way, and takes the grant out of its list by that. */
  abstract withdraw(refusal: Refusal): void
}

/**
 * Late rejection: what is under way is asked about again when the policy changes, or a token ends, and ended where it is no
 * longer allowed.
 * Each grant is a request in flight, so `maxInFlight` bounds them.
 *
 * A list linked through the grants themselves, because every request is in it for its time. It is in the order in which they
 * were last asked about, so that a round begins at its head and is over where one was asked in this round already, and so that
 * policies that come faster than a round ends keep nobody from being asked.
 */
export class Grants {
  readonly #policy: Watch<CompiledPolicy>
  readonly #clock: Clock
  readonly #log: Logger
  readonly #unsubscribe: () => void
  #first: Grant | undefined
  #last: Grant | undefined
  /** Number of the present round. */
  #round = 0
  #next: NodeJS.Immediate | undefined
  #withdrawn = 0
  /** When the first of them ends by itself, and the timer for it. */
  #endsAtMs = Number.POSITIVE_INFINITY
  #end: Timer | undefined

  constructor(policy: Watch<CompiledPolicy>, clock: Clock, log: Logger) {
    this.#policy = policy
    this.#clock = clock
    this.#log = log
    this.#unsubscribe = policy.subscribe(() => this.recheck())
  }

  /** Takes what the policy of this moment has granted. */
  add(grant: Grant): void {
    this.#append(grant)
    this.#awaitEnd(grant)
  }

  #append(grant: Grant): void {
    grant.asked = this.#round
    grant.before = this.#last
    if (this.#last === undefined) this.#first = grant
    else this.#last.behind = grant
    this.#last = grant
  }

  remove(grant: Grant): void {
    const { before, behind } = grant
    if (before === undefined) this.#first = behind
    else before.behind = behind
    if (behind === undefined) this.#last = before
    else behind.before = before
    grant.before = undefined
    grant.behind = undefined
  }

  /** Asks about everything anew: for whenever the policy of this moment may decide otherwise than it did. */
  recheck(): void {
    this.#round += 1
    if (this.#next === undefined) this.#turn()
  }

  close(): void {
    this.#unsubscribe()
    clearImmediate(this.#next)
    this.#end?.cancel()
  }

  #awaitEnd({ endsAtMs }: Grant): void {
    if (endsAtMs >= this.#endsAtMs) return
    this.#end?.cancel()
    this.#endsAtMs = endsAtMs
    this.#end = this.#clock.after(Math.max(LEAST_ROUND_MS, endsAtMs - this.#clock.now()), () => {
      // The round finds the next one.
      this.#endsAtMs = Number.POSITIVE_INFINITY
      this.recheck()
    })
  }

  #turn(): void {
    this.#next = undefined
    const policy = this.#policy.current
    const nowMs = this.#clock.now()
    for (let left = GRANTS_PER_TURN; left > 0; left -= 1) {
      const grant = this.#first
      if (grant === undefined || grant.asked === this.#round) {
        this.#say()
        return
      }
      this.remove(grant)
      this.#append(grant)
      const refusal = grant.refusedBy(policy, nowMs)
      if (refusal === undefined) {
        this.#awaitEnd(grant)
        continue
      }
      this.#withdrawn += 1
      grant.withdraw(refusal)
    }
    this.#next = setImmediate(() => this.#turn())
  }

  #say(): void {
    const withdrawn = this.#withdrawn
    this.#withdrawn = 0
    if (withdrawn > 0) this.#log.warn({ withdrawn }, 'ended: what was under way and the policy no longer allows')
  }
}
