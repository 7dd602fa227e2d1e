import { OutriderError } from '../../lib/errors.ts'
import { Observations } from '../../policy/suggest/observations.ts'
import { suggestPolicies } from '../../policy/suggest/suggest.ts'
import { exitCode } from '../command.ts'
import type { PolicyContext } from './context.ts'
import { countsLine, readAccessLogs } from './log.ts'
import { readSet } from './read.ts'

/** `outrider policy suggest`: policies that allow what the log shows, as YAML for a person to read. */
export async function suggest(context: PolicyContext): Promise<number> {
  const { options, stdout, stderr } = context
  const minSupport = Number(options['min-support'])
  if (!Number.isInteger(minSupport) || minSupport < 2 || minSupport > 1000)
    throw new OutriderError(
      'usage-arguments',
      `--min-support: a whole number from 2 to 1000, not "${options['min-support']}"`,
    )
  const set = await readSet(context)
  const observations = new Observations(minSupport)
  const counts = await readAccessLogs(context, (request) => observations.add(request))
  stderr.write(countsLine(counts))
  stdout.write(suggestPolicies(observations, set))
  return observations.taken === 0 ? exitCode.notFound : exitCode.ok
}
