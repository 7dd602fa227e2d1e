// Decides requests by sets of 10 to 10 000 rules, one after the other, and takes the time of each decision.
import { type CompiledPolicy, compilePolicy } from '../../src/policy/compile.ts'
import { decide } from '../../src/policy/decide.ts'
import type { DecisionRequest } from '../../src/policy/decision.ts'
import { kinds, policiesOf, type RuleKind, workload } from '../policies.ts'
import { readWords } from './words.ts'

const SIZES = [10, 100, 1000, 10_000] as const
/** Requests that are made before their decisions are timed, so that none is of strings that were seen before. */
const POOL = 2048
const WARM_UP_ROUNDS = 20
/** Has no divisor in common with a size. */
const STRIDE = 7919

interface RuleSet {
  readonly size: number
  readonly policy: CompiledPolicy
  /** Gives the rule that the next request is about. */
  readonly frequent: () => number
  readonly uniform: () => number
}

const seconds = Number(readWords(process.argv.slice(2))('seconds'))
const values: Record<string, number> = {}
let decisions = 0
for (const kind of kinds) {
  const sets = SIZES.map((size): RuleSet => {
    const compiled = compilePolicy({ workload, policies: policiesOf(kind, size), limits: [], services: [] })
    if (compiled.violations.length > 0) throw new Error(JSON.stringify(compiled.violations[0]))
    return { size, policy: compiled.policy, frequent: byZipf(size), uniform: inTurn(size) }
  })
  const share = (seconds * 1000) / kinds.length / 2
  const frequent = measure(kind, sets, share, ({ frequent }) => frequent())
  const uniform = measure(kind, sets, share, ({ uniform }) => uniform())
  for (const [at, size] of SIZES.entries()) {
    atLeast(`median${size}Ns`, frequent[at]!.median)
    atLeast(`p99Of${size}Ns`, frequent[at]!.p99)
    atLeast(`uniform${size}Ns`, uniform[at]!.median)
  }
  values[`${kind.name}Ns`] = frequent.at(-1)!.median
  atLeast('ratioOfKind', frequent.at(-1)!.median / frequent[0]!.median)
  atLeast('uniformRatioOfKind', uniform.at(-1)!.median / uniform[0]!.median)
}
const ratio = values['median10000Ns']! / values['median10Ns']!
console.log(JSON.stringify({ ...values, ratio, decisions }))

/** The worst of all kinds is what is told. */
function atLeast(key: string, value: number): void {
  values[key] = Math.max(values[key] ?? 0, value)
}

/** All rules equally often, in an order without pattern: what is needed next is never what was needed just now. */
function inTurn(size: number): () => number {
  let turn = 0
  return () => {
    turn += 1
    return (turn * STRIDE) % size
  }
}

/** As traffic is: the nth most frequent is asked for 1/n as often as the first (Zipf's law). */
function byZipf(size: number): () => number {
  const sums = new Float64Array(size)
  for (let rank = 0, sum = 0; rank < size; rank += 1) sums[rank] = sum += 1 / (rank + 1)
  const all = sums.at(-1)!
  const random = mulberry32(size)
  return () => {
    const wanted = random() * all
    let low = 0
    let high = size - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (sums[middle]! < wanted) low = middle + 1
      else high = middle
    }
    // Frequent ones are not neighbours.
    return (low * STRIDE) % size
  }
}

/** A generator of random numbers from 0 to 1, the same ones in every run. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Sizes take turns, so that what else the machine does meets all alike. */
function measure(
  kind: RuleKind,
  sets: readonly RuleSet[],
  forMs: number,
  next: (set: RuleSet) => number,
): readonly { median: number; p99: number }[] {
  const times = sets.map((): number[] => [])
  const round = (keep: boolean): void => {
    for (const [at, set] of sets.entries()) {
      const requests = Array.from({ length: POOL }, (_, turn) => requestOf(kind, next(set), turn % 2 === 0))
      for (const { request, permitted } of requests) {
        const start = performance.now()
        const { kind: decided } = decide(set.policy, request)
        const took = performance.now() - start
        if ((decided === 'permit') !== permitted) throw new Error(`${kind.name}: ${decided} ${JSON.stringify(request)}`)
        if (keep) times[at]!.push(took * 1e6)
      }
    }
  }
  for (let index = 0; index < WARM_UP_ROUNDS; index += 1) round(false)
  for (const start = performance.now(); performance.now() - start < forMs; ) round(true)
  return times.map((all) => {
    decisions += all.length
    const sorted = Float64Array.from(all).toSorted()
    return { median: sorted[sorted.length >> 1]!, p99: sorted[Math.floor(sorted.length * 0.99)]! }
  })
}

function requestOf(kind: RuleKind, rule: number, isHit: boolean): { request: DecisionRequest; permitted: boolean } {
  return { request: isHit ? kind.hit(rule) : kind.miss(rule), permitted: isHit === (kind.action === 'ALLOW') }
}
