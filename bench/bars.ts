import { type Figure, valueOf } from './figures.ts'
import type { Measured, Outcome } from './rounds.ts'

/** The subject that has to meet the bars. */
export const PRODUCT = 'outrider'

/** What Outrider has to reach: `figure` held against `limit`, or against `limit` times the best of `peers`. */
export interface Bar {
  readonly figure: Figure
  readonly relation: '<' | '<=' | '>='
  readonly limit: number
  /** Empty: the limit is a value of the figure. */
  readonly peers: readonly string[]
}

export interface Verdict {
  /** The bar in words. */
  readonly bar: string
  /** The ratio, or the value where there are no peers; undefined when a side of it was not measured. */
  readonly measured: number | undefined
  readonly met: boolean | undefined
}

const holds: Readonly<Record<Bar['relation'], (value: number, limit: number) => boolean>> = {
  '<': (value, limit) => value < limit,
  '<=': (value, limit) => value <= limit,
  '>=': (value, limit) => value >= limit,
}

export function verdicts(bars: readonly Bar[], outcomes: readonly Outcome[]): Verdict[] {
  return bars.map((bar) => {
    const { figure, relation, limit, peers } = bar
    const measured = measure(bar, outcomes)
    const yardstick = peers.length > 1 ? ` x best of ${peers.join(', ')}` : peers.length === 1 ? ` x ${peers[0]}` : ''
    return {
      bar: `${figure.key} ${relation} ${limit}${yardstick}`,
      measured,
      met: measured === undefined ? undefined : holds[relation](measured, limit),
    }
  })
}

function measure({ figure, relation, peers }: Bar, outcomes: readonly Outcome[]): number | undefined {
  const product = measuredOf(outcomes, PRODUCT)
  if (product === undefined) return undefined
  const own = valueOf(product.values, figure)
  if (peers.length === 0) return own
  const others = peers
    .map((name) => measuredOf(outcomes, name))
    .filter((outcome) => outcome !== undefined)
    .map(({ values }) => valueOf(values, figure))
  if (others.length === 0) return undefined
  return own / (relation === '>=' ? Math.max(...others) : Math.min(...others))
}

export function measuredOf(outcomes: readonly Outcome[], subject: string): Measured | undefined {
  return outcomes.filter((outcome) => outcome.kind === 'measured').find((outcome) => outcome.subject === subject)
}
