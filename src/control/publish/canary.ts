import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { Logger } from '../../telemetry/log.ts'
import { admit, type Admitted, type Outcome, type Refused } from './admit.ts'
import { type Candidate, type Choice, chooseCanaries, concerned } from './canary-choice.ts'
import { compare, type Watched, watchedOf } from './canary-health.ts'
import { type CanaryReason, type Comparison, judge, quiet, type TrafficHealth } from './canary-judge.ts'
import type { ControlMetrics } from '../metrics.ts'
import type { Mesh } from './mesh.ts'
import { Overlay } from './overlay.ts'
import { publish } from './path.ts'
import type { Session } from './session.ts'
import { sessionKey, type SessionObserver, type Sessions } from './sessions.ts'

export interface CanaryRequest {
  readonly documents: readonly string[]
  /** Of the connected sidecars of each workload, 1 to 99. */
  readonly percent: number
  readonly watchMs: number
  readonly maxDenials: number | undefined
  readonly allowQuiet: boolean
}

/** What happens, in this order; the last one is `promoted` or `rolled-back`. */
export type CanaryStep =
  | ({ readonly step: 'started'; readonly revision: number } & Choice)
  | { readonly step: 'pushed' | 'watching'; readonly revision: number }
  | { readonly step: 'health'; readonly revision: number; readonly health: readonly Comparison[] }
  | { readonly step: 'promoted'; readonly revision: number; readonly outcomes: readonly Outcome[] }
  | { readonly step: 'rolling-back'; readonly revision: number; readonly reasons: readonly CanaryReason[] }
  | {
      readonly step: 'rolled-back'
      readonly revision: number
      readonly reasons: readonly CanaryReason[]
      /** Canaries that have not acknowledged what is stored. */
      readonly unsettled: number
    }

export interface CanaryParts {
  readonly mesh: Mesh
  readonly sessions: Sessions
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ControlMetrics
}

/** How long the canaries are watched without the change, so that there is something to compare with: at most. */
const BASELINE_MS = 15_000
/** Longest time for a canary to acknowledge the change, or what is stored again, or to come back. */
const SETTLE_MS = 10_000
const REPORT_EVERY_MS = { least: 250, most: 2000 }

type Phase = 'baseline' | 'pushed' | 'watching' | 'rolling-back' | 'over'

/**
 * Starts one, unless the documents change nothing. Throws as `Apply` does, and `canary-kind`, `canary-nobody`. Gives the refusal of
 * documents that are not admitted.
 */
export function startCanary(
  request: CanaryRequest,
  parts: CanaryParts,
  tell: (step: CanaryStep) => void,
): CanaryPush | Refused | undefined {
  const admitted = admit(request.documents, parts.mesh)
  if (admitted.kind === 'refused') return admitted
  if (admitted.changes.length > 0) return new CanaryPush(request, admitted, parts, tell)
  tell({ step: 'promoted', revision: parts.mesh.store.revision, outcomes: admitted.outcomes })
  return undefined
}

/**
 * A change that some sidecars are given first. Nothing is stored before the last step: what the canaries have is an overlay in
 * memory, with a revision that the store has set aside for it, and ends with this process.
 */
export class CanaryPush implements SessionObserver {
  readonly #request: CanaryRequest
  readonly #parts: CanaryParts
  readonly #tell: (step: CanaryStep) => void
  readonly #overlay: Overlay
  readonly #canaries: ReadonlyMap<string, Watched>
  readonly #rest: ReadonlyMap<string, Watched>
  readonly #reportEveryMs: number
  readonly #timers = new Set<Timer>()
  #phase: Phase = 'baseline'
  #reasons: readonly CanaryReason[] = []
  /** Revision of the store that the canaries have to reach: with the change, or with what is stored again. */
  #target = 0

  constructor(request: CanaryRequest, admitted: Admitted, parts: CanaryParts, tell: (step: CanaryStep) => void) {
    const { mesh, sessions, clock, log } = parts
    this.#request = request
    this.#parts = parts
    this.#tell = tell
    const workloads = concerned(admitted, mesh.catalogue, sessions)
    if (![...workloads.values()].some((candidates) => candidates.length > 1)) {
      throw new OutriderError(
        'canary-nobody',
        'no workload that this concerns has two connected sidecars: apply it without --canary',
      )
    }
    const revision = mesh.store.commit({}, clock.now())
    const choice = chooseCanaries(workloads, request.percent, revision)
    this.#canaries = watchedOf(choice.canaries)
    this.#rest = watchedOf(choice.rest)
    this.#overlay = new Overlay(admitted.changes, revision, clock.now(), new Set(this.#canaries.keys()))
    this.#reportEveryMs = Math.min(REPORT_EVERY_MS.most, Math.max(REPORT_EVERY_MS.least, request.watchMs / 10))
    sessions.observe(this)
    this.#ask(this.#reportEveryMs)
    log.info({ revision, canaries: this.#canaries.size, rest: this.#rest.size }, 'canary started')
    tell({ step: 'started', revision, ...choice })
    this.#after(Math.min(BASELINE_MS, request.watchMs / 2), () => this.#push())
  }

  get over(): boolean {
    return this.#phase === 'over'
  }

  /** Takes the change back, unless that is done or it is stored. */
  abort(reason: CanaryReason): void {
    this.#rollBack([reason])
  }

  /** Without a word: the process ends, and the sidecars find what is stored when they connect again. */
  close(): void {
    this.#end()
  }

  joined(session: Session): void {
    const key = sessionKey(session.peer.id, session.sidecarId)
    if (this.#canaries.has(key) || this.#rest.has(key)) session.askHealth(this.#reportEveryMs)
  }

  answered(session: Session, result: 'acked' | 'nacked'): void {
    if (!this.#canaries.has(sessionKey(session.peer.id, session.sidecarId))) return
    const isOurs = session.sentRevision >= this.#target
    if (result === 'nacked' && isOurs && (this.#phase === 'pushed' || this.#phase === 'watching')) {
      const [first = 'no reason given'] = session.violations
      this.#rollBack([{ code: 'canary-nacked', message: `${session.sidecarId} refused ${first}` }])
    } else if (this.#unsettled() === 0) {
      if (this.#phase === 'pushed') this.#watch()
      else if (this.#phase === 'rolling-back') this.#rolledBack()
    }
  }

  health(session: Session, { revision, ...counts }: TrafficHealth & { readonly revision: number }): void {
    const key = sessionKey(session.peer.id, session.sidecarId)
    const canary = this.#canaries.get(key)
    if (canary === undefined) {
      this.#rest.get(key)?.meter.add(counts)
      return
    }
    if (this.#phase === 'watching' && !canary.measuring) {
      // What was decided before the change was in force is none of its doing.
      if (revision < this.#target) return
      canary.measuring = true
      canary.meter.resetAt(counts)
      return
    }
    canary.meter.add(counts)
    if (this.#phase !== 'watching') return
    const reasons = judge(compare(this.#canaries, this.#rest), this.#request.maxDenials)
    if (reasons.length > 0) this.#rollBack(reasons)
  }

  left(session: Session): void {
    const key = sessionKey(session.peer.id, session.sidecarId)
    if (!this.#canaries.has(key)) return
    if (this.#phase === 'rolling-back' && this.#unsettled() === 0) this.#rolledBack()
    if (this.#phase !== 'pushed' && this.#phase !== 'watching') return
    this.#after(SETTLE_MS, () => {
      if (this.#phase !== 'pushed' && this.#phase !== 'watching') return
      if (this.#sessionOf(this.#canaries.get(key)!) === undefined) this.#rollBack([lost(session.sidecarId)])
    })
  }

  #push(): void {
    const { mesh, sessions, clock } = this.#parts
    try {
      // Later than whatever is on its way to them without the change.
      this.#target = mesh.store.commit({}, clock.now())
    } catch (thrown) {
      this.#rollBack([{ code: 'canary-not-stored', message: describeError(thrown) }])
      return
    }
    this.#phase = 'pushed'
    for (const canary of this.#canaries.values()) canary.before = canary.meter.value
    sessions.overlay = this.#overlay
    this.#wakeCanaries()
    this.#tell({ step: 'pushed', revision: this.#overlay.revision })
    this.#after(SETTLE_MS, () => {
      if (this.#phase !== 'pushed') return
      const message = `${this.#unsettled()} canaries did not acknowledge the change within ${SETTLE_MS / 1000} s`
      this.#rollBack([{ code: 'canary-unanswered', message }])
    })
  }

  #watch(): void {
    this.#phase = 'watching'
    for (const { meter } of this.#rest.values()) meter.reset()
    this.#tell({ step: 'watching', revision: this.#overlay.revision })
    const report = (): void => {
      this.#tell({ step: 'health', revision: this.#overlay.revision, health: compare(this.#canaries, this.#rest) })
      this.#after(REPORT_EVERY_MS.most, report)
    }
    this.#after(REPORT_EVERY_MS.most, report)
    this.#after(this.#request.watchMs, () => this.#finish())
  }

  #finish(): void {
    const comparisons = compare(this.#canaries, this.#rest)
    this.#tell({ step: 'health', revision: this.#overlay.revision, health: comparisons })
    const missing = [...this.#canaries.values()].filter((canary) => this.#sessionOf(canary) === undefined)
    const reasons = [
      ...missing.map(({ sidecarId }) => lost(sidecarId)),
      ...judge(comparisons, this.#request.maxDenials),
      ...(this.#request.allowQuiet ? [] : quiet(comparisons)),
    ]
    if (reasons.length > 0) this.#rollBack(reasons)
    else this.#promote()
  }

  #promote(): void {
    const { mesh, sessions, log } = this.#parts
    try {
      sessions.overlay = undefined
      const published = publish(this.#request.documents, mesh, false)
      if (published.kind === 'refused') {
        const [first] = published.violations
        this.#rollBack([{ code: 'canary-not-stored', message: `it is refused now: ${first?.message ?? ''}` }])
        return
      }
      this.#end()
      this.#parts.metrics.canaries.with({ result: 'promoted' }).inc()
      log.info({ revision: published.revision, canary: this.#overlay.revision }, 'canary promoted')
      this.#tell({ step: 'promoted', revision: published.revision, outcomes: published.outcomes })
    } catch (thrown) {
      this.#rollBack([{ code: 'canary-not-stored', message: describeError(thrown) }])
    }
  }

  #rollBack(reasons: readonly CanaryReason[]): void {
    if (this.#phase === 'over' || this.#phase === 'rolling-back') return
    const { mesh, sessions, clock, log } = this.#parts
    const pushed = this.#phase !== 'baseline'
    this.#phase = 'rolling-back'
    this.#reasons = reasons
    this.#cancelTimers()
    sessions.overlay = undefined
    log.warn({ revision: this.#overlay.revision, reasons }, 'canary taken back')
    this.#tell({ step: 'rolling-back', revision: this.#overlay.revision, reasons })
    if (!pushed) {
      this.#rolledBack()
      return
    }
    try {
      // So that "has what is stored again" is a later revision than that of the canary.
      mesh.store.commit({}, clock.now())
    } catch (thrown) {
      // The sidecars get what is stored all the same: they compare each resource.
      log.error({ error: describeError(thrown) }, 'no revision for the way back')
    }
    this.#target = mesh.store.revision
    this.#wakeCanaries()
    this.#after(SETTLE_MS, () => this.#rolledBack())
    if (this.#unsettled() === 0) this.#rolledBack()
  }

  #rolledBack(): void {
    if (this.#phase !== 'rolling-back') return
    const unsettled = this.#unsettled()
    this.#end()
    this.#parts.metrics.canaries.with({ result: 'rolled_back' }).inc()
    this.#tell({ step: 'rolled-back', revision: this.#overlay.revision, reasons: this.#reasons, unsettled })
  }

  #end(): void {
    const { sessions } = this.#parts
    this.#phase = 'over'
    this.#cancelTimers()
    sessions.overlay = undefined
    sessions.observe(undefined)
    this.#ask(0)
  }

  /** Connected canaries that have not acknowledged `#target`. */
  #unsettled(): number {
    let count = 0
    for (const canary of this.#canaries.values()) {
      const session = this.#sessionOf(canary)
      if (session === undefined ? this.#phase === 'pushed' : session.appliedRevision < this.#target) count += 1
    }
    return count
  }

  #sessionOf({ spiffeId, sidecarId }: Candidate): Session | undefined {
    return this.#parts.sessions.get(spiffeId, sidecarId)
  }

  #wakeCanaries(): void {
    for (const canary of this.#canaries.values()) this.#sessionOf(canary)?.wake()
  }

  #ask(everyMs: number): void {
    for (const watched of [...this.#canaries.values(), ...this.#rest.values()]) {
      this.#sessionOf(watched)?.askHealth(everyMs)
    }
  }

  #after(delayMs: number, task: () => void): void {
    const timer = this.#parts.clock.after(delayMs, () => {
      this.#timers.delete(timer)
      task()
    })
    this.#timers.add(timer)
  }

  #cancelTimers(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}

function lost(sidecarId: string): CanaryReason {
  return { code: 'canary-lost', message: `${sidecarId} has lost its stream and is not back` }
}
