import { parseDuration } from '../lib/duration.ts'
import { OutriderError } from '../lib/errors.ts'
import { durationOf } from '../lib/protobuf-time.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { AdminClient } from '../rpc/client.ts'
import type { CanaryEvent__Output } from '../wire/outrider/admin/v1/CanaryEvent.ts'
import type { CanaryHealth__Output } from '../wire/outrider/admin/v1/CanaryHealth.ts'
import type { CanaryStart } from '../wire/outrider/admin/v1/CanaryStart.ts'
import type { TrafficHealth__Output } from '../wire/outrider/admin/v1/TrafficHealth.ts'
import { printable } from './output.ts'

/** The options of `apply` that are about canaries. */
export const canaryOptions = {
  canary: {
    type: 'string',
    value: 'PERCENT',
    doc: 'give it to a part of the connected sidecars of each workload first, such as 10%, and take it back if they fare worse',
  },
  watch: { type: 'string', value: 'DURATION', doc: 'how long the canaries are watched, 5s to 24h (default 60s)' },
  'max-denials': { type: 'string', value: 'COUNT', doc: 'more denials than this at the canaries end it at once' },
  'allow-quiet': { type: 'boolean', doc: 'go on although the canaries had too few requests to tell' },
} as const

export interface CanaryWords {
  readonly canary: string | undefined
  readonly watch: string | undefined
  readonly 'max-denials': string | undefined
  readonly 'allow-quiet': boolean | undefined
}

/** `undefined` when no canary is wanted. Throws `usage-canary`. */
export function canaryOf(words: CanaryWords): CanaryStart | undefined {
  const { canary, watch = '60s', 'max-denials': maxDenials } = words
  if (canary === undefined) {
    const alone = (['watch', 'max-denials', 'allow-quiet'] as const).find((name) => words[name] !== undefined)
    if (alone !== undefined) throw new OutriderError('usage-canary', `--${alone} is for --canary`)
    return undefined
  }
  const percent = /^(\d{1,2})%?$/.exec(canary)?.[1]
  if (percent === undefined || Number(percent) < 1) {
    throw new OutriderError('usage-canary', `--canary takes 1% to 99%, not "${canary}"`)
  }
  const watchMs = parseDuration(watch)
  if (watchMs === undefined)
    throw new OutriderError('usage-canary', `--watch takes a duration such as 60s, not "${watch}"`)
  if (maxDenials !== undefined && !/^\d{1,9}$/.test(maxDenials)) {
    throw new OutriderError('usage-canary', `--max-denials takes a number, not "${maxDenials}"`)
  }
  return {
    percent: Number(percent),
    watch: durationOf(watchMs),
    ...(maxDenials !== undefined && { maxDenials: Number(maxDenials) }),
    allowQuiet: words['allow-quiet'] === true,
  }
}

/** Does it and tells `onEvent` all that happens. Resolves with the last event. The signal has it taken back. */
export function runCanary(
  admin: AdminClient,
  start: CanaryStart,
  signal: AbortSignal,
  onEvent: (event: CanaryEvent__Output) => void,
): Promise<CanaryEvent__Output> {
  return new Promise((resolve, reject) => {
    const stream = admin.applyCanary()
    const abort = (): void => stream.send({ abort: {} })
    signal.addEventListener('abort', abort, { once: true })
    let last: CanaryEvent__Output | undefined
    stream.onMessage((event) => {
      last = event
      onEvent(event)
    })
    stream.onEnd((error) => {
      signal.removeEventListener('abort', abort)
      if (error !== undefined) reject(error)
      else if (last === undefined) reject(new OutriderError('rpc-unavailable', 'the control server said nothing'))
      else resolve(last)
    })
    stream.send({ start })
  })
}

/** One event in words, a line each. */
export function describeEvent(event: CanaryEvent__Output): string {
  const lines = (): readonly string[] => {
    const { step, revision, canaries, withoutCanary, health, reasons, unsettled } = event
    switch (step) {
      case 'STEP_STARTED':
        return [
          `canary ${revision}: sidecars that have it first: ${canaries.length}`,
          ...canaries.map(({ spiffeId, sidecarId }) => `  ${sidecarId}  ${spiffeId}`),
          ...withoutCanary.map((spiffeId) => `  ${spiffeId} has one sidecar: it waits for the end`),
          'measuring how they do without the change',
        ]
      case 'STEP_PUSHED':
        return ['the change is on its way to them']
      case 'STEP_WATCHING':
        return ['all of them run it: watching']
      case 'STEP_HEALTH':
        return health.map(healthLine)
      case 'STEP_PROMOTED':
        return [`promoted: revision ${revision}, for all sidecars`]
      case 'STEP_ROLLING_BACK':
        return ['taking it back:', ...reasons.map(({ code, message }) => `  ${message} (${code})`)]
      case 'STEP_ROLLED_BACK':
        return [
          unsettled === 0
            ? 'rolled back: nothing was stored, and the canaries run what is stored'
            : `rolled back: nothing was stored; ${unsettled} canaries have not acknowledged what is stored yet (outrider status)`,
        ]
      case 'STEP_UNSPECIFIED':
        return []
      default:
        return unreachable(step)
    }
  }
  return lines()
    .map((line) => `${printable(line)}\n`)
    .join('')
}

function healthLine({ spiffeId, canaries, before, rest }: CanaryHealth__Output): string {
  return `  ${spiffeId}: canaries ${figures(canaries)}; before ${figures(before)}; rest ${figures(rest)}`
}

function figures(health: TrafficHealth__Output | null): string {
  const { requests = 0, denied = 0, appErrors = 0, ownErrors = 0 } = health ?? {}
  return `${requests} requests, ${denied} denied, errors ${appErrors} of applications and ${ownErrors} of sidecars`
}
