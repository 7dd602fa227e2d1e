import type { Values } from '../figures.ts'
import type { LoadOptions, LoadResult } from '../load.ts'
import { peakRssMb } from '../measure.ts'
import { measureWindow } from '../window.ts'
import type { Contest } from './scenario.ts'

/** A round of requests through both proxies: what each costs them. */
export async function measureRequests(
  contest: Contest,
  load: (options: LoadOptions) => Promise<LoadResult>,
): Promise<Values> {
  const { running, app, connections, signal } = contest
  const options = { port: running.outPort, path: app.exchange.path, connections, signal }
  const { result, cpuOutUs, cpuInUs } = await measureWindow(contest, async (seconds) => {
    const result = await load({ ...options, seconds })
    if (result.requests === 0) throw new Error('no request was answered')
    return result
  })
  const { requests, rps, latency, errors } = result
  return {
    rps,
    cpuUsPerRequestOut: cpuOutUs / requests,
    cpuUsPerRequestIn: cpuInUs / requests,
    cpuUsPerRequest: (cpuOutUs + cpuInUs) / requests,
    ...latency,
    rssMb: peakRssMb([...running.outPids, ...running.inPids]),
    requests,
    errors,
  }
}
