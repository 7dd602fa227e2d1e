import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../lib/clock.ts'
import { describeError } from '../../lib/errors.ts'
import { probePathOf, type ProbeTarget } from '../../lib/probe-target.ts'
import type { HealthOptions } from '../../telemetry/health-server.ts'
import type { Logger } from '../../telemetry/log.ts'
import { askApplication } from './ask.ts'

export interface ProbeOptions {
  readonly targets: readonly ProbeTarget[]
  readonly clock: Clock
  readonly log: Logger
}

/** Probes that wait for the application together. */
const MAX_UNDER_WAY = 32
/** Longer than any kubelet should wait. */
const LONGEST_MS = 60_000

/** The pages of the health endpoint where a kubelet asks for the application: those of the probes that are listed. */
export function applicationProbes({ targets, clock, log }: ProbeOptions): NonNullable<HealthOptions['other']> {
  const byPath = new Map(targets.map((target) => [probePathOf(target.text), target]))
  let underWay = 0
  const ask = async (target: ProbeTarget, request: IncomingMessage, response: ServerResponse): Promise<number> => {
    if (underWay >= MAX_UNDER_WAY) return 503
    underWay += 1
    const given = new AbortController()
    const timer = clock.after(LONGEST_MS, () => given.abort())
    const gone = (): void => given.abort()
    response.once('close', gone)
    try {
      return await askApplication(target, request.headers, given.signal)
    } catch (error) {
      log.debug({ target: target.text, error: describeError(error) }, 'a probe of the application failed')
      return 503
    } finally {
      response.off('close', gone)
      timer.cancel()
      underWay -= 1
    }
  }
  return (request, response) => {
    const target = byPath.get(request.url ?? '')
    return target === undefined ? undefined : ask(target, request, response)
  }
}
