import { smallApp } from '../apps/small.ts'
import { runClient } from '../clients/run.ts'
import type { Figure } from '../figures.ts'
import { kinds } from '../policies.ts'
import { outrider } from '../subjects/outrider.ts'
import type { Scenario } from './scenario.ts'

const median = (rules: number): Figure => ({
  key: `median${rules}Ns`,
  head: `${rules} rules, ns`,
  digits: 0,
  over: 'median',
})
const p99 = (rules: number): Figure => ({ key: `p99Of${rules}Ns`, head: `p99, ns`, digits: 0, over: 'median' })
const ratio: Figure = { key: 'ratio', head: '10 000 : 10', digits: 2, over: 'median' }
const uniform = (rules: number): Figure => ({
  key: `uniform${rules}Ns`,
  head: `all equally often, ${rules} rules, ns`,
  digits: 0,
  over: 'median',
})

export const decide: Scenario = {
  name: 'decide',
  question: 'What does a decision cost, with few rules and with very many?',
  subjects: [outrider],
  app: smallApp,
  available: () => undefined,
  load: () =>
    `bench/clients/deciding.ts in its own process; rules by Zipf's law, hits and misses in turn; the worst of ${kinds.map(({ name }) => name).join(', ')}, each also alone with 10 000 rules`,
  connections: 1,
  rounds: 3,
  figures: [
    ...[10, 100, 1000, 10_000].flatMap((rules) => [median(rules), p99(rules)]),
    ratio,
    { key: 'ratioOfKind', head: 'worst of a kind', digits: 2, over: 'median' },
    uniform(10),
    uniform(10_000),
    { key: 'uniformRatioOfKind', head: 'worst of a kind', digits: 2, over: 'median' },
    ...kinds.map(({ name }): Figure => ({ key: `${name}Ns`, head: `${name}, ns`, digits: 0, over: 'median' })),
    { key: 'decisions', head: 'decisions', digits: 0, over: 'sum' },
  ],
  compared: median(10_000),
  bars: [
    { figure: median(10), relation: '<=', limit: 3000, peers: [] },
    { figure: ratio, relation: '<=', limit: 1.5, peers: [] },
    { figure: uniform(10_000), relation: '<=', limit: 4500, peers: [] },
  ],
  round: ({ seconds, signal }) => runClient('deciding.ts', { seconds }, signal),
}
