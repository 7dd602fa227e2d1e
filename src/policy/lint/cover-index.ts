import type { SourceRule } from './finding.ts'

/** In place of a caller or a path: any. */
const ANY = '*'
/** Most places of one rule: one with more is compared with all. */
const WIDEST = 512

/**
 * Rules by what a rule that they cover has to have, so that not each is compared with all: the namespace of the policy, one of their
 * callers where they name whole SPIFFE IDs only, and the beginning of one of their paths where all of these have a literal one.
 */
export class CoverIndex {
  readonly #byKey = new Map<string, Set<SourceRule>>()

  constructor(rules: Iterable<SourceRule>) {
    for (const rule of rules)
      for (const key of keysOf(rule)) {
        const list = this.#byKey.get(key) ?? new Set()
        this.#byKey.set(key, list)
        list.add(rule)
      }
  }

  remove(rule: SourceRule): void {
    for (const key of keysOf(rule)) this.#byKey.get(key)?.delete(rule)
  }

  /** All rules that cover `rule`, and others. */
  *mayCover({ policy, rule }: SourceRule): Generator<SourceRule> {
    // One that covers it covers each entry of it, and of each each value: the first one tells enough.
    const [caller] = rule.from?.[0]?.spiffeIds ?? []
    const [path] = rule.to?.[0]?.paths ?? []
    const [first, second] = path === undefined ? [] : beginning(path)
    const paths = [
      ANY,
      ...(first === undefined ? [] : [keyOf(first)]),
      ...(first === undefined || second === undefined ? [] : [keyOf(first, second)]),
    ]
    for (const who of caller === undefined ? [ANY] : [ANY, caller])
      for (const what of paths) yield* this.#byKey.get(`${policy.metadata.namespace} ${who} ${what}`) ?? []
  }
}

function keysOf({ policy, rule }: SourceRule): readonly string[] {
  const { namespace } = policy.metadata
  const callers = valuesOf(rule.from?.map(({ spiffeIds }) => spiffeIds)) ?? [ANY]
  const whole = callers.every((id) => !id.includes('*')) ? callers : [ANY]
  const beginnings = valuesOf(rule.to?.map(({ paths }) => paths))?.map(beginning) ?? [[]]
  const literal = beginnings.every(({ length }) => length > 0) ? beginnings.map((parts) => keyOf(...parts)) : [ANY]
  const who = whole.length > WIDEST ? [ANY] : whole
  const what = who.length * literal.length > WIDEST ? [ANY] : literal
  return [...new Set(who.flatMap((caller) => what.map((path) => `${namespace} ${caller} ${path}`)))]
}

/** The values of all entries; `undefined` when one of them is without. */
function valuesOf<T>(entries: readonly (readonly T[] | undefined)[] | undefined): readonly T[] | undefined {
  return entries === undefined || entries.includes(undefined) ? undefined : entries.flatMap((values) => values ?? [])
}

function keyOf(...segments: readonly string[]): string {
  return `/${segments.join('/')}`
}

/** The first segments, two at most, that every path of a pattern begins with. */
function beginning(path: string): readonly string[] {
  const operator = path.search(/[*{]/)
  const segments = (operator === -1 ? path : path.slice(0, operator)).slice(1).split('/')
  // What is before an operator may go on: `/a*`; and after `/a/` a `{**}` may be nothing, the slash included.
  return (operator === -1 ? segments : segments.slice(0, -1)).slice(0, 2)
}
