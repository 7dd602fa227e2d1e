import type { CelFunc, CelInput } from '@bufbuild/cel'
import type * as celLibrary from '@bufbuild/cel'
import { OutriderError } from '../../lib/errors.ts'
import { loadPackage } from '../../lib/load-package.ts'
import type { Query } from '../query.ts'
import type { Truth } from '../truth.ts'
import { bindingsOf, type CelValues } from './bindings.ts'
import { checkCel, SPEND } from './check.ts'
import { CelMeter, meteredFunctions } from './meter.ts'

/** Most characters of an expression. */
export const MAX_CEL_LENGTH = 2048
/** Deepest nesting of brackets: parsers descend for each. */
export const MAX_CEL_DEPTH = 32

/**
 * Compiles an expression of the Common Expression Language that yields a bool. What goes wrong when it is evaluated, and what costs
 * more than `MAX_CEL_COST`, is unknown. Throws an `OutriderError` with `cel-malformed`, `cel-too-large`, `cel-unknown-name`,
 * `cel-type` or a code of `compileRegex`.
 */
export function compileCel(text: string): (query: Query) => Truth {
  engine ??= new CelEngine()
  return engine.compile(text)
}

/** Made with the first expression: the library takes seventeen megabytes and sixty milliseconds. */
let engine: CelEngine | undefined

class CelEngine {
  readonly #library: typeof celLibrary
  readonly #meter = new CelMeter()
  readonly #environment: ReturnType<typeof celLibrary.celEnv>
  readonly #functions = new Map<string, CelFunc[]>()
  readonly #values: CelValues

  constructor() {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the package's own declarations say
    this.#library = loadPackage('@bufbuild/cel') as typeof celLibrary
    const { celEnv, celError, celFunc, CelScalar, isCelList, isCelMap, parse, plan } = this.#library
    const metered = meteredFunctions(this.#library, celEnv().funcs, this.#meter)
    for (const func of metered) this.#functions.set(func.name, [...(this.#functions.get(func.name) ?? []), func])
    const spend = celFunc(SPEND, [CelScalar.DYN], CelScalar.DYN, (value) => {
      this.#meter.spend(isCelList(value) || isCelMap(value) ? 1 + value.size : 1)
      return value
    })
    this.#environment = celEnv({ funcs: [...metered, spend] })
    const timestamp = plan(celEnv(), parse('timestamp(text)'))
    this.#values = {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the function yields a timestamp
      timestamp: (ms) => timestamp({ text: new Date(ms).toISOString() }) as CelInput,
      error: (message) => celError(message),
    }
  }

  compile(text: string): (query: Query) => Truth {
    const parsed = this.#parse(text)
    const { names, regexes } = checkCel(parsed.expr, this.#functions)
    const evaluate = this.#library.plan(this.#environment, parsed)
    return (query) => {
      const bindings = bindingsOf(query, this.#values)
      const asked: Record<string, CelInput> = {}
      for (const name of names) {
        const value = bindings[name]
        if (value !== undefined) asked[name] = value
      }
      const result = this.#meter.run(regexes, () => evaluate(asked))
      return typeof result === 'boolean' ? result : 'unknown'
    }
  }
  #parse(text: string): ReturnType<typeof celLibrary.parse> {
    if (text.length > MAX_CEL_LENGTH)
      throw new OutriderError(
        'cel-too-large',
        `an expression has at most ${MAX_CEL_LENGTH} characters (MAX_CEL_LENGTH), not ${text.length}`,
      )
    if (depthOf(text) > MAX_CEL_DEPTH)
      throw new OutriderError('cel-too-large', `brackets are nested at most ${MAX_CEL_DEPTH} deep (MAX_CEL_DEPTH)`)
    try {
      return this.#library.parse(text)
    } catch (cause) {
      const message =
        cause instanceof RangeError ? 'nested too deep' : cause instanceof Error ? cause.message : 'unknown'
      throw new OutriderError(
        'cel-malformed',
        `not an expression of CEL: ${message.replace('<input>:', 'line ').slice(0, 200)}`,
        { cause },
      )
    }
  }
}

/** Of brackets, those within texts too. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (const character of text)
    if ('([{'.includes(character)) deepest = Math.max(deepest, (depth += 1))
    else if (')]}'.includes(character)) depth -= 1
  return deepest
}
