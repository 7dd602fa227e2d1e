import type { CelFunc, CelValue } from '@bufbuild/cel'
import type * as celLibrary from '@bufbuild/cel'
import { isTooMuch, MAX_REGEX_TEXT, MAX_REGEX_WORK, type Regex } from '../match/regex.ts'

/**
 * Most that one evaluation may cost: a call costs one and a part of the size of what it is given, a turn of a loop one. Some
 * milliseconds at worst.
 */
export const MAX_CEL_COST = 10_000

/** What is under way. */
interface Evaluation {
  left: number
  /** Of the expression, by their texts. */
  readonly regexes: ReadonlyMap<string, Regex>
}

/**
 * Counts what an evaluation costs. There is one at a time, because evaluation is synchronous. Once the cost is spent every further
 * call fails, so that the evaluation ends soon however it treats errors; its result does not count then.
 */
export class CelMeter {
  #now: Evaluation = { left: 0, regexes: new Map() }

  /** Undefined when it cost too much. */
  run<T>(regexes: ReadonlyMap<string, Regex>, evaluate: () => T): T | undefined {
    const evaluation = { left: MAX_CEL_COST, regexes }
    this.#now = evaluation
    const result = evaluate()
    return evaluation.left < 0 ? undefined : result
  }

  spend(cost: number): void {
    this.#now.left -= cost
    if (this.#now.left < 0) throw new Error(`costs more than ${MAX_CEL_COST} (MAX_CEL_COST)`)
  }

  /** Also in values within others: what is there twice counts twice, as it does when it is compared. */
  spendDeep(value: unknown, size: (value: unknown) => readonly unknown[] | number): void {
    const waiting: unknown[] = [value]
    while (waiting.length > 0) {
      const parts = size(waiting.pop())
      this.spend(typeof parts === 'number' ? parts : 1 + parts.length)
      if (typeof parts !== 'number') for (const part of parts) waiting.push(part)
    }
  }

  regex(text: string): Regex {
    const regex = this.#now.regexes.get(text)
    // Admission takes texts that stand in the expression only.
    if (regex === undefined) throw new Error('not an expression that was compiled')
    return regex
  }
}

/** The functions of CEL, each with its price. */
export function meteredFunctions(
  { celFunc, celMethod, isCelList, isCelMap, isCelError }: typeof celLibrary,
  functions: Iterable<CelFunc>,
  meter: CelMeter,
): CelFunc[] {
  const shallow = (value: unknown): number => {
    if (typeof value === 'string' || value instanceof Uint8Array) return 1 + (value.length >> 3)
    return isCelList(value) || isCelMap(value) ? 1 + value.size : 1
  }
  const parts = (value: unknown): readonly unknown[] | number => {
    if (!isCelList(value) && !isCelMap(value)) return shallow(value)
    // Before it is copied: lists that share their parts can be longer than any memory.
    meter.spend(value.size)
    return isCelList(value) ? [...value] : [...value].flat()
  }
  const price = (name: string, target: CelValue | undefined, args: readonly CelValue[]): void => {
    const given = target === undefined ? args : [target, ...args]
    for (const value of given) {
      meter.spend(shallow(value))
      if (comparing.has(name) && !(name === '@in' && isCelMap(value))) meter.spendDeep(value, parts)
    }
    // The search takes, at worst, one text for each place in the other.
    if (name === 'contains' && typeof target === 'string' && typeof args[0] === 'string')
      meter.spend(Math.floor((target.length * args[0].length) / 64))
  }
  return Array.from(functions, (func) => {
    const call = (target: CelValue | undefined, args: CelValue[]): CelValue => {
      price(func.name, target, args)
      if (func.name === 'matches') return matches(target, args[0], meter)
      const result = func.call(0, target, args)
      if (result === undefined) throw new Error('no such overload')
      if (isCelError(result)) throw result
      return result
    }
    return func.target === undefined
      ? celFunc(func.name, func.arguments, func.result, (...args) => call(undefined, args))
      : celMethod(func.name, func.target, func.arguments, func.result, function (...args) {
          return call(this, args)
        })
  })
}

/** They look into lists and maps; `in` of a map looks a key up. */
const comparing: ReadonlySet<string> = new Set(['_==_', '_!=_', '@in'])

function matches(text: unknown, pattern: unknown, meter: CelMeter): boolean {
  if (typeof text !== 'string' || typeof pattern !== 'string') throw new Error('no such overload')
  const regex = meter.regex(pattern)
  if (isTooMuch(regex, text))
    throw new Error(
      `more than ${MAX_REGEX_TEXT} characters, or ${MAX_REGEX_WORK} with its instructions (MAX_REGEX_WORK)`,
    )
  meter.spend(Math.floor((text.length * regex.programSize()) / 256))
  return regex.matcher(text).find()
}
