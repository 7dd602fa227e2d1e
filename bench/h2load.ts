import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { executable } from './executables.ts'
import { type Exchange, HOST } from './exchange.ts'
import type { LoadOptions, LoadResult } from './load.ts'
import { runToEnd } from './processes.ts'

/** Calls in flight on each connection. */
export const STREAMS = 8

/**
 * Closed-loop calls over HTTP/2 with prior knowledge by one thread of h2load: a stream ends, the next begins. It reads the
 * status of each answer, not its trailers.
 */
export async function runH2load(options: LoadOptions, exchange: Exchange, folder: string): Promise<LoadResult> {
  const { port, path, connections, seconds, signal } = options
  const body = join(folder, 'h2load-body')
  writeFileSync(body, exchange.body, 'latin1')
  const fields = Object.entries({ ':authority': HOST, ...exchange.headers })
  const headers = fields.flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const shape = ['-t', '1', '-c', String(connections), '-m', String(STREAMS), '-D', String(seconds)]
  const args = [...shape, ...headers, '-d', body, `http://127.0.0.1:${port}${path}`]
  return parseH2load(await runToEnd(executable('h2load'), args, { signal }))
}

const MS_PER_UNIT: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 }

/** Reads the report of `h2load`; throws when a part that is always there is not. */
export function parseH2load(report: string): LoadResult {
  const capture = (pattern: RegExp): string[] => {
    const match = pattern.exec(report)
    if (match === null) throw new Error(`no ${pattern} in the report of h2load:\n${report}`)
    return match.slice(1)
  }
  const [rps] = capture(/^finished in [\d.]+m?s, ([\d.]+) req\/s/m)
  const [succeeded, failed, timeouts] = capture(/ (\d+) succeeded, (\d+) failed, \d+ errored, (\d+) timeout$/m).map(
    Number,
  )
  const [mean, unit = ''] = capture(/^time for request: +\S+ +\S+ +([\d.]+)(us|ms|s) /m)
  return {
    requests: succeeded ?? 0,
    rps: Number(rps),
    latency: { meanMs: Number(mean) * (MS_PER_UNIT[unit] ?? Number.NaN) },
    errors: (failed ?? 0) + (timeouts ?? 0),
  }
}
