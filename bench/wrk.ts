import { executable } from './executables.ts'
import { HOST } from './exchange.ts'
import type { LoadOptions, LoadResult } from './load.ts'
import { runToEnd } from './processes.ts'

/** Closed-loop load by one thread of wrk: every connection sends its next request when the answer has come. */
export async function runWrk(options: LoadOptions): Promise<LoadResult> {
  const { port, path, connections, seconds, signal } = options
  const url = `http://127.0.0.1:${port}${path}`
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Host: ${HOST}`, url]
  return parseWrk(await runToEnd(executable('wrk'), args, { signal }))
}

const MS_PER_UNIT: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }

/** Reads the report of `wrk --latency`; throws when a part that is always there is not. */
export function parseWrk(report: string): LoadResult {
  const capture = (pattern: RegExp): RegExpExecArray => {
    const match = pattern.exec(report)
    if (match === null) throw new Error(`no ${pattern} in the report of wrk:\n${report}`)
    return match
  }
  const percentileMs = (percent: number): number => {
    const [, value, unit = ''] = capture(new RegExp(`^ +${percent}% +([\\d.]+)(us|ms|s|m)$`, 'm'))
    return Number(value) * (MS_PER_UNIT[unit] ?? Number.NaN)
  }
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(report) ?? []
  const badAnswers = /Non-2xx or 3xx responses: (\d+)/.exec(report)?.[1] ?? '0'
  return {
    requests: Number(capture(/^ +(\d+) requests in /m)[1]),
    rps: Number(capture(/^Requests\/sec: +([\d.]+)$/m)[1]),
    latency: { p50Ms: percentileMs(50), p99Ms: percentileMs(99) },
    errors: [...socketErrors.slice(1), badAnswers].reduce((sum, count) => sum + Number(count), 0),
  }
}
