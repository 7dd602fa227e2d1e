import { OutriderError } from '../../lib/errors.ts'
import { millisecondsOf } from '../../lib/protobuf-time.ts'
import { unreachable } from '../../lib/unreachable.ts'
import type { Kind } from '../../policy/model.ts'
import type { AdminHandlers } from '../../rpc/handler.ts'
import type { CanaryEvent } from '../../wire/outrider/admin/v1/CanaryEvent.ts'
import type { CanaryHealth } from '../../wire/outrider/admin/v1/CanaryHealth.ts'
import type { CanaryStart__Output } from '../../wire/outrider/admin/v1/CanaryStart.ts'
import {
  type CanaryParts,
  type CanaryPush,
  type CanaryRequest,
  type CanaryStep,
  startCanary,
} from '../publish/canary.ts'
import type { Comparison } from '../publish/canary-judge.ts'
import { refusal, wireOutcome } from './wire.ts'

const MIN_WATCH_MS = 5_000
const MAX_WATCH_MS = 24 * 60 * 60 * 1000
/** Of what a slow reader leaves unread the rest is dropped, but for the last word. */
const MAX_BACKLOG = 100

/** Whoever has to be stopped at once does not wait for a canary. It is never of these kinds. */
const URGENT: ReadonlySet<unknown> = new Set(['ApiKey', 'Revocation'] satisfies Kind[])

/** The canary of this control server: there is one at a time, and nothing else that it could be confused with is stored meanwhile. */
export class Canaries {
  readonly #parts: CanaryParts
  #current: CanaryPush | undefined

  constructor(parts: CanaryParts) {
    this.#parts = parts
  }

  /** Whether this sidecar has what only some have yet. */
  holds(sessionKey: string): boolean {
    return this.#parts.sessions.overlay?.holds(sessionKey) ?? false
  }

  /** Throws `canary-running` while there is one, unless all of these kinds take belief from somebody at once. */
  checkFree(kinds: readonly unknown[]): void {
    if (this.#current === undefined || this.#current.over || kinds.every((kind) => URGENT.has(kind))) return
    throw new OutriderError(
      'canary-running',
      'a canary is being watched: wait for its end or interrupt it; only revocations and API keys are taken meanwhile',
    )
  }

  close(): void {
    this.#current?.close()
  }

  /** The handler of `AdminService.ApplyCanary`. The change is taken back when the call ends before it is stored. */
  readonly apply: AdminHandlers['applyCanary'] = (stream) => {
    let own: CanaryPush | undefined
    const gone = (): void => own?.abort({ code: 'canary-aborted', message: 'the call of the operator has ended' })
    stream.onMessage((message) => {
      if (message.message === 'start') {
        if (own !== undefined) throw new OutriderError('canary-protocol', 'a call starts one canary')
        this.checkFree([undefined])
        const started = startCanary(requestOf(message.start!), this.#parts, (step) => {
          if (stream.backlog < MAX_BACKLOG || isLast(step)) stream.send(wireStep(step))
          if (isLast(step)) stream.end()
        })
        if (started !== undefined && 'kind' in started) throw refusal(started)
        own = started
        this.#current = started
      } else if (message.message === 'abort') {
        own?.abort({ code: 'canary-aborted', message: 'it was interrupted' })
      } else throw new OutriderError('canary-protocol', 'an empty message, or one of a later version')
    })
    stream.onEnd(gone)
    stream.onClose(gone)
  }
}

function requestOf({ documents, percent, watch, maxDenials, allowQuiet }: CanaryStart__Output): CanaryRequest {
  const watchMs = millisecondsOf(watch) ?? 0
  if (!(percent >= 1 && percent <= 99)) {
    throw new OutriderError('canary-percent', `1 to 99 % of the sidecars can go first, not ${percent} %`)
  }
  if (!(watchMs >= MIN_WATCH_MS && watchMs <= MAX_WATCH_MS)) {
    throw new OutriderError('canary-watch', 'a canary is watched for 5 seconds to 24 hours')
  }
  return { documents, percent, watchMs, maxDenials, allowQuiet }
}

function isLast({ step }: CanaryStep): boolean {
  return step === 'promoted' || step === 'rolled-back'
}

const WIRE_STEP = {
  started: 'STEP_STARTED',
  pushed: 'STEP_PUSHED',
  watching: 'STEP_WATCHING',
  health: 'STEP_HEALTH',
  promoted: 'STEP_PROMOTED',
  'rolling-back': 'STEP_ROLLING_BACK',
  'rolled-back': 'STEP_ROLLED_BACK',
} as const satisfies Record<CanaryStep['step'], CanaryEvent['step']>

function wireStep(step: CanaryStep): CanaryEvent {
  const head = { step: WIRE_STEP[step.step], revision: step.revision }
  switch (step.step) {
    case 'started':
      return { ...head, canaries: [...step.canaries], withoutCanary: [...step.without] }
    case 'health':
      return { ...head, health: step.health.map(wireHealth) }
    case 'promoted':
      return { ...head, outcomes: step.outcomes.map(wireOutcome) }
    case 'rolling-back':
      return { ...head, reasons: [...step.reasons] }
    case 'rolled-back':
      return { ...head, reasons: [...step.reasons], unsettled: step.unsettled }
    case 'pushed':
    case 'watching':
      return head
    default:
      return unreachable(step)
  }
}

function wireHealth({ spiffeId, canaries, before, rest }: Comparison): CanaryHealth {
  return { spiffeId, canaries, before, rest }
}
