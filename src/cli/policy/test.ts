import { writeFile } from 'node:fs/promises'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { type CaseResult, type RuleCoverage, runPolicyTests } from '../../policy/cases/run.ts'
import { exitCode } from '../command.ts'
import { print, printable } from '../output.ts'
import type { PolicyContext } from './context.ts'
import { junitReport } from './junit.ts'
import { readPolicyFiles, refuse } from './read.ts'

/** `outrider policy test`: every PolicyTest of the files, against the resources of the files. */
export async function test(context: PolicyContext): Promise<number> {
  const { args, options, stdout, stderr } = context
  const { set, tests } = await readPolicyFiles([...options.file, ...args.slice(1)], context)
  if (tests.length === 0) throw new OutriderError('usage-file', 'there is no PolicyTest in these files')
  const { results, coverage, violations } = runPolicyTests(tests, set)
  refuse(violations, stderr)
  const failed = results.filter(({ differences }) => differences.length > 0)
  const untouched = coverage.filter(({ cases }) => cases === 0)
  if (options.junit !== undefined) await writeReport(options.junit, junitReport(results))
  const summary = { cases: results.length, failed: failed.length, rules: coverage.length, untouched: untouched.length }
  if (options.output === 'table') {
    for (const result of results) stdout.write(resultLines(result))
    if (options.coverage === true || options['require-coverage'] === true)
      for (const rule of coverage) stdout.write(coverageLine(rule))
    stdout.write(`${results.length - failed.length} passed, ${failed.length} failed${summaryOf(coverage)}\n`)
  } else {
    const rows = results.map(({ differsElsewhere, ...row }) => ({
      ...row,
      passed: row.differences.length === 0,
      differsElsewhere: differsElsewhere === undefined ? undefined : { ...differsElsewhere },
    }))
    print(
      stdout,
      options.output,
      { ...summary, results: rows, coverage: coverage.map((rule) => ({ ...rule })) },
      () => ({ columns: [], rows: [], empty: '' }),
    )
  }
  const uncovered = options['require-coverage'] === true && untouched.length > 0
  if (uncovered) stderr.write(`${untouched.length} of ${coverage.length} rules are touched by no case\n`)
  return failed.length > 0 || uncovered ? exitCode.failure : exitCode.ok
}

function resultLines({ test, name, file, line, differences }: CaseResult): string {
  const head = printable(`${differences.length === 0 ? 'ok    ' : 'FAILED'} ${test} > ${name}`)
  if (differences.length === 0) return `${head}\n`
  const details = [`at ${file}:${line}`, ...differences].map((text) => `       ${printable(text)}\n`)
  return `${head}\n${details.join('')}`
}

function coverageLine({ rule, file, line, cases }: RuleCoverage): string {
  return `${printable(`${cases === 0 ? 'NO CASE' : `${cases} case${cases === 1 ? '' : 's'}`} ${rule} (${file}:${line})`)}\n`
}

function summaryOf(coverage: readonly RuleCoverage[]): string {
  const touched = coverage.filter(({ cases }) => cases > 0).length
  return `; ${touched} of ${coverage.length} rules touched`
}

async function writeReport(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text)
  } catch (cause) {
    throw new OutriderError('usage-file', `cannot write ${path}: ${describeError(cause)}`, { place: path, cause })
  }
}
