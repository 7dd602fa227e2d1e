// Decides requests by sets of 10 to 10 000 rules, one after the other, and takes the time of each decision.
import { compilePolicy } from '../../src/policy/compile.ts'
import { decide } from '../../src/policy/decide.ts'
import type { DecisionRequest } from '../../src/policy/decision.ts'
import { kinds, policiesOf, type RuleKind, workload } from '../policies.ts'
import { readWords } from './words.ts'

const SIZES = [10, 100, 1000, 10_000] as const
/** Requests that are made before their decisions are timed, so that none is of strings that were seen before. */
const POOL = 2048
const WARM_UP_ROUNDS = 20

const word = readWords(process.argv.slice(2))
const seconds = Number(word('seconds'))
const values: Record<string, number> = {}
let decisions = 0
const worst: { median: number; p99: number }[] = SIZES.map(() => ({ median: 0, p99: 0 }))
let ratio = 0
for (const kind of kinds) {
  const times = measure(kind, seconds / kinds.length)
  console.log(
    kind.name,
    times.map((x) => Math.round(x.median)).join(' '),
    times.map((x) => Math.round(x.p99)).join(' '),
  )
  for (const [at, { median, p99 }] of times.entries()) {
    const most = worst[at]!
    most.median = Math.max(most.median, median)
    most.p99 = Math.max(most.p99, p99)
  }
  values[`${kind.name}Ns`] = times.at(-1)!.median
  ratio = Math.max(ratio, times.at(-1)!.median / times[0]!.median)
}
for (const [at, size] of SIZES.entries()) {
  values[`median${size}Ns`] = worst[at]!.median
  values[`p99Of${size}Ns`] = worst[at]!.p99
}
console.log(JSON.stringify({ ratio, decisions }))

/** Sizes take turns, so that what else the machine does meets all alike. */
function measure(kind: RuleKind, forSeconds: number): readonly { median: number; p99: number }[] {
  const sets = SIZES.map((size) => {
    const { policy, violations } = compilePolicy({
      workload,
      policies: policiesOf(kind, size),
      limits: [],
      services: [],
    })
    if (violations.length > 0) throw new Error(JSON.stringify(violations[0]))
    return { size, policy, times: new Array<number>() }
  })
  const round = (index: number, keep: boolean): void => {
    for (const { size, policy, times } of sets) {
      const requests = Array.from({ length: POOL }, (_, at) => requestOf(kind, size, index * POOL + at))
      for (const { request, permitted } of requests) {
        const start = performance.now()
        const { kind: decided } = decide(policy, request)
        const took = performance.now() - start
        if ((decided === 'permit') !== permitted) throw new Error(`${kind.name}: ${decided} ${JSON.stringify(request)}`)
        if (keep) times.push(took * 1e6)
      }
    }
  }
  for (let index = 0; index < WARM_UP_ROUNDS; index += 1) round(index, false)
  const start = performance.now()
  for (let index = WARM_UP_ROUNDS; performance.now() - start < forSeconds * 1000; index += 1) round(index, true)
  return sets.map(({ times }) => {
    decisions += times.length
    const sorted = Float64Array.from(times).sort()
    return { median: sorted[sorted.length >> 1]!, p99: sorted[Math.floor(sorted.length * 0.99)]! }
  })
}

/** Of all rules in an order without pattern, a hit and a miss in turn. */
function requestOf(kind: RuleKind, size: number, turn: number): { request: DecisionRequest; permitted: boolean } {
  const rule = (turn * 7919) % size
  const isHit = turn % 2 === 0
  return { request: isHit ? kind.hit(rule) : kind.miss(rule), permitted: isHit === (kind.action === 'ALLOW') }
}
