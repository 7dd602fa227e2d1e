import { OutriderError } from '../../lib/errors.ts'
import { Replayer } from '../../policy/replay/replayer.ts'
import { Comparison, outcomeText } from './comparison.ts'
import type { PolicyContext } from './context.ts'
import { readAccessLogs } from './log.ts'
import { readLive, readPolicyFiles } from './read.ts'

/** `outrider policy diff`: the requests of the log, as two sets decide them. */
export async function diff(context: PolicyContext): Promise<number> {
  const { from, to, live } = context.options
  if (to.length === 0 || (from.length === 0) === (live !== true))
    throw new OutriderError('usage-arguments', 'give the set before with --from or --live, and the set after with --to')
  const earlier = new Replayer(live === true ? await readLive(context) : (await readPolicyFiles(from, context)).set)
  const later = new Replayer((await readPolicyFiles(to, context)).set)
  const comparison = new Comparison()
  const counts = await readAccessLogs(context, (request) => {
    const before = earlier.decide(request)
    comparison.add(request, before.outcome, outcomeText(before), later.decide(request))
  })
  return comparison.report(context, counts)
}
