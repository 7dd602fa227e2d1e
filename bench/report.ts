import { measuredOf, PRODUCT, type Verdict, verdicts } from './bars.ts'
import { valueOf } from './figures.ts'
import type { Measured, Outcome } from './rounds.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { textTable } from './text-table.ts'

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

/** One JSON object a line, for programs. */
export function jsonLines(scenario: Scenario, outcomes: readonly Outcome[]): string {
  const { figures, compared, bars } = scenario
  const lines = outcomes.map((outcome) => {
    const head = { scenario: scenario.name, subject: outcome.subject }
    if (outcome.kind === 'missing') return { ...head, missing: outcome.why }
    const ratio = productRatio(scenario, outcome, outcomes)
    return {
      ...head,
      ...Object.fromEntries(
        figures.map(({ key, digits }) => [key, rounded(outcome.values[key] ?? Number.NaN, digits)]),
      ),
      compared: compared.key,
      range: outcome.range.map((end) => rounded(end, compared.digits)),
      ...(ratio === undefined ? {} : { outriderRatio: rounded(ratio, 2) }),
      ...(outcome.subject === PRODUCT ? { bars: verdicts(bars, outcomes).map(forPrograms) } : {}),
    }
  })
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

function forPrograms({ bar, measured, met }: Verdict): object {
  return { bar, measured: measured === undefined ? null : rounded(measured, 2), met: met ?? null }
}

/** The compared figure of Outrider divided by that of this subject; undefined where Outrider was not measured. */
function productRatio({ compared }: Scenario, outcome: Measured, outcomes: readonly Outcome[]): number | undefined {
  const product = measuredOf(outcomes, PRODUCT)
  return product === undefined ? undefined : valueOf(product.values, compared) / valueOf(outcome.values, compared)
}

export interface Table {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** A row for each subject that was measured. */
export function subjectTable(scenario: Scenario, outcomes: readonly Outcome[]): Table {
  const { figures, compared } = scenario
  const isCompared = ({ key }: { readonly key: string }): boolean => key === compared.key
  const rows = outcomes
    .filter((outcome) => outcome.kind === 'measured')
    .map((outcome) => [
      outcome.subject,
      ...figures.flatMap((figure) => {
        const value = valueOf(outcome.values, figure).toFixed(figure.digits)
        if (!isCompared(figure)) return [value]
        const range = outcome.range.map((end) => end.toFixed(figure.digits))
        const spread = range[0] === range[1] ? '' : ` (${range.join('-')})`
        return [`${value}${spread}`, productRatio(scenario, outcome, outcomes)?.toFixed(2) ?? '-']
      }),
    ])
  const heads = figures.flatMap((figure) => (isCompared(figure) ? [figure.head, `${PRODUCT} : it`] : [figure.head]))
  return { head: ['subject', ...heads], rows }
}

/** A row for each bar of the scenario; none when Outrider did not take part. */
export function barTable({ bars }: Scenario, outcomes: readonly Outcome[]): Table {
  const takesPart = outcomes.some(({ subject }) => subject === PRODUCT)
  const rows = (takesPart ? verdicts(bars, outcomes) : []).map(({ bar, measured, met }) => [
    bar,
    measured?.toFixed(2) ?? '-',
    met === undefined ? 'not measured' : met ? 'met' : 'missed',
  ])
  return { head: ['bar', 'measured', 'verdict'], rows }
}

/** Both tables for a person at a terminal. */
export function text(scenario: Scenario, outcomes: readonly Outcome[]): string {
  const subjects = subjectTable(scenario, outcomes)
  const bars = barTable(scenario, outcomes)
  const verdictText = bars.rows.length === 0 ? '' : `\n${textTable(bars.head, bars.rows)}`
  return `${scenario.name}: ${scenario.question}\n\n${textTable(subjects.head, subjects.rows)}${verdictText}\n`
}
