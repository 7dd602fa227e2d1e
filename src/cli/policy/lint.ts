import { OutriderError } from '../../lib/errors.ts'
import type { Finding } from '../../policy/lint/finding.ts'
import { lint as lintSet } from '../../policy/lint/lint.ts'
import { exitCode } from '../command.ts'
import { print } from '../output.ts'
import type { PolicyContext } from './context.ts'
import { findingLines } from './proposed.ts'
import { readSet } from './read.ts'

/** `outrider policy lint`: what is valid, and hardly meant. */
export async function lint(context: PolicyContext): Promise<number> {
  const { options, stdout, stderr, clock } = context
  const set = await readSet(context)
  const findings = lintSet(set, timeOf(options.at) ?? clock.now())
  const count = (level: Finding['level']): number => findings.filter((finding) => finding.level === level).length
  const totals = { errors: count('error'), warnings: count('warning'), infos: count('info') }
  if (options.output === 'table') {
    for (const finding of findings) stdout.write(findingLines(finding))
    stderr.write(`errors: ${totals.errors}, warnings: ${totals.warnings}, notes: ${totals.infos}\n`)
  } else
    print(stdout, options.output, { ...totals, findings: findings.map((finding) => ({ ...finding })) }, () => ({
      columns: [],
      rows: [],
      empty: '',
    }))
  return totals.errors > 0 || (options.strict === true && totals.warnings > 0) ? exitCode.failure : exitCode.ok
}

/** RFC 3339, in milliseconds since 1970. Throws `usage-time`. */
export function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (Number.isNaN(ms)) throw new OutriderError('usage-time', `--at: "${text}" is no time such as 2027-01-31T18:00:00Z`)
  return ms
}
