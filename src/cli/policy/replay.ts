import { Replayer } from '../../policy/replay/replayer.ts'
import { Comparison } from './comparison.ts'
import type { PolicyContext } from './context.ts'
import { readAccessLogs } from './log.ts'
import { readSet } from './read.ts'

/** `outrider policy replay`: the requests of the log, as they were decided and as a candidate set decides them. */
export async function replay(context: PolicyContext): Promise<number> {
  const candidate = new Replayer(await readSet(context))
  const comparison = new Comparison()
  const counts = await readAccessLogs(context, (request) => {
    const before = request.rule === undefined ? request.decided : `${request.decided} by ${request.rule}`
    comparison.add(request, request.decided, before, candidate.decide(request))
  })
  return comparison.report(context, counts)
}
