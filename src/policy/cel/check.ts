import type { CelFunc, parse } from '@bufbuild/cel'
import { OutriderError } from '../../lib/errors.ts'
import { nearest } from '../../lib/nearest.ts'
import { compileRegex, type Regex } from '../match/regex.ts'
import { type CelKind, type CelVariables, variables } from './bindings.ts'

export type Expr = ReturnType<typeof parse>['expr']
type Kinds = ReadonlyMap<string, CelKind>

/** Most nodes of the tree of an expression. */
export const MAX_CEL_NODES = 300
/** Names that make a loop count: see `checkCel`. */
export const SPEND = '@spend'

export interface Checked {
  /** Variables that it speaks of. */
  readonly names: ReadonlySet<keyof CelVariables>
  /** Of `matches`, by their texts. */
  readonly regexes: ReadonlyMap<string, Regex>
}

/**
 * Checks that every name and function is known, that types agree as far as they are known, and that it yields a bool. Has every
 * loop call the function `SPEND` with its range and at each turn. Throws an `OutriderError`.
 */
export function checkCel(expr: Expr, functions: ReadonlyMap<string, readonly CelFunc[]>): Checked {
  const checker = new Checker(functions)
  const kind = checker.kindOf(expr, new Map(Object.entries(variables)))
  if (kind !== 'bool' && kind !== 'dyn')
    throw wrongType(`yields ${nameOf(kind)}, and a condition has to be true or false`)
  return checker
}

class Checker implements Checked {
  readonly names = new Set<keyof CelVariables>()
  readonly regexes = new Map<string, Regex>()
  readonly #functions: ReadonlyMap<string, readonly CelFunc[]>
  #nodes = 0

  constructor(functions: ReadonlyMap<string, readonly CelFunc[]>) {
    this.#functions = functions
  }

  kindOf(expr: Expr | undefined, scope: Kinds): CelKind {
    this.#nodes += 1
    if (this.#nodes > MAX_CEL_NODES)
      throw new OutriderError(
        'cel-too-large',
        `an expression has at most ${MAX_CEL_NODES} parts (MAX_CEL_NODES), macros written out`,
      )
    const kind = expr?.exprKind
    switch (kind?.case) {
      case 'identExpr':
        return this.#variable(kind.value.name, scope)
      case 'constExpr':
        return constantKinds[kind.value.constantKind.case ?? ''] ?? 'dyn'
      case 'selectExpr': {
        const operand = this.kindOf(kind.value.operand, scope)
        const field = fieldOf(operand, kind.value.field)
        return kind.value.testOnly ? 'bool' : field
      }
      case 'callExpr':
        return this.#call(kind.value, scope)
      case 'listExpr':
        for (const element of kind.value.elements) this.kindOf(element, scope)
        return 'list'
      case 'structExpr':
        if (kind.value.messageName !== '')
          throw new OutriderError('cel-unknown-name', `there is no message ${kind.value.messageName}`)
        for (const { keyKind, value } of kind.value.entries) {
          if (keyKind.case === 'mapKey') this.kindOf(keyKind.value, scope)
          this.kindOf(value, scope)
        }
        return 'map'
      case 'comprehensionExpr':
        return this.#loop(kind.value, scope)
      case undefined:
      default:
        throw new OutriderError('cel-malformed', 'has an empty part')
    }
  }

  #variable(name: string, scope: Kinds): CelKind {
    const kind = scope.get(name)
    if (kind !== undefined) {
      if (isVariable(name)) this.names.add(name)
      return kind
    }
    if (typeNames.has(name)) return 'type'
    throw new OutriderError(
      'cel-unknown-name',
      `${JSON.stringify(name.slice(0, 100))} ${hint(name, [...scope.keys()])}`,
    )
  }

  #call({ function: name, target, args }: Call, scope: Kinds): CelKind {
    const [first, second] = args
    // The planner takes a dotted target and a method for one name, as of a function in a package: there are none.
    const given = (target === undefined ? args : [target, ...args]).map((argument) => this.kindOf(argument, scope))
    switch (name) {
      case '_&&_':
      case '_||_':
        given.forEach((kind) => mustBe('bool', kind, name))
        return 'bool'
      case '_?_:_':
        mustBe('bool', given[0]!, name)
        return given[1] === given[2] ? given[1]! : 'dyn'
      case '_[_]':
        return second?.exprKind.case === 'constExpr' && second.exprKind.value.constantKind.case === 'stringValue'
          ? fieldOf(given[0]!, second.exprKind.value.constantKind.value)
          : 'dyn'
      case '@not_strictly_false':
        return 'bool'
      case '_==_':
      case '_!=_':
        mustCompare(given[0]!, given[1]!, name)
        break
      case 'matches':
        this.#compileRegex(target === undefined ? second : first)
        break
      default:
    }
    return this.#overload(name, target !== undefined, given)
  }

  #overload(name: string, method: boolean, given: readonly CelKind[]): CelKind {
    const overloads = this.#functions.get(name)
    if (overloads === undefined)
      throw new OutriderError(
        'cel-unknown-name',
        `the function ${JSON.stringify(name)} ${hint(
          name,
          [...this.#functions.keys()].filter((key) => /^\w+$/.test(key) && !key.startsWith('_')),
        )}`,
      )
    const results = new Set(
      overloads
        .filter(({ target, arguments: parameters }) => {
          const wanted = target === undefined ? parameters : [target, ...parameters]
          return (
            (target !== undefined) === method &&
            wanted.length === given.length &&
            wanted.every((parameter, index) => agrees(parameter.name, given[index]!))
          )
        })
        .map(({ result }) => result.name),
    )
    if (results.size === 0)
      throw wrongType(`${readable(name)} does not take ${given.map(nameOf).join(', ') || 'nothing'}`)
    const [only = 'dyn'] = results.size === 1 ? results : []
    return only
  }

  #compileRegex(pattern: Expr | undefined): void {
    const constant = pattern?.exprKind.case === 'constExpr' ? pattern.exprKind.value.constantKind : undefined
    if (constant?.case !== 'stringValue')
      throw wrongType('matches takes a text that stands in the expression, so that it is compiled only once')
    this.regexes.set(constant.value, compileRegex(constant.value))
  }

  #loop(loop: Loop, scope: Kinds): CelKind {
    const range = this.kindOf(loop.iterRange, scope)
    if (range !== 'list' && range !== 'dyn' && range !== 'map' && typeof range === 'string')
      throw wrongType(`a macro goes through a list or a map, not ${nameOf(range)}`)
    const within = new Map([...scope, [loop.accuVar, this.kindOf(loop.accuInit, scope)]])
    const turn = new Map([...within, [loop.iterVar, range === 'map' ? 'string' : ('dyn' as CelKind)]])
    this.kindOf(loop.loopCondition, turn)
    this.kindOf(loop.loopStep, turn)
    loop.iterRange = counted(loop.iterRange!)
    loop.loopCondition = counted(loop.loopCondition!)
    return this.kindOf(loop.result, within)
  }
}

type Kind<C> = Extract<Expr['exprKind'], { case: C }> extends { value: infer V } ? V : never
type Call = Kind<'callExpr'>
type Loop = Kind<'comprehensionExpr'>

function counted(expr: Expr): Expr {
  return {
    $typeName: 'cel.expr.Expr',
    id: expr.id,
    exprKind: { case: 'callExpr', value: { $typeName: 'cel.expr.Expr.Call', function: SPEND, args: [expr] } },
  }
}

const constantKinds: Readonly<Record<string, CelKind>> = {
  boolValue: 'bool',
  bytesValue: 'bytes',
  doubleValue: 'double',
  int64Value: 'int',
  nullValue: 'null_type',
  stringValue: 'string',
  uint64Value: 'uint',
}
const typeNames: ReadonlySet<string> = new Set([...Object.values(constantKinds).map(String), 'list', 'map', 'type'])
const numbers: ReadonlySet<CelKind> = new Set(['int', 'uint', 'double'])

function isVariable(name: string): name is keyof CelVariables {
  return Object.hasOwn(variables, name)
}

function nameOf(kind: CelKind): string {
  return typeof kind === 'string' ? kind : 'map'
}

/** An operator as it is written: `_==_` is `==`. */
function readable(name: string): string {
  return name.replaceAll(/[_@]/g, '') || name
}

function agrees(wanted: string, given: CelKind): boolean {
  const name = nameOf(given)
  return wanted === 'dyn' || name === 'dyn' || wanted === name
}

function mustBe(wanted: string, given: CelKind, operator: string): void {
  if (!agrees(wanted, given)) throw wrongType(`${readable(operator)} takes ${wanted}, not ${nameOf(given)}`)
}

function mustCompare(one: CelKind, other: CelKind, operator: string): void {
  const comparable =
    agrees(nameOf(one), other) ||
    nameOf(one) === 'dyn' ||
    one === 'null_type' ||
    other === 'null_type' ||
    (numbers.has(one) && numbers.has(other))
  if (!comparable) throw wrongType(`${nameOf(one)} ${readable(operator)} ${nameOf(other)} never holds`)
}

function fieldOf(operand: CelKind, field: string): CelKind {
  if (typeof operand === 'string') {
    if (operand === 'map' || operand === 'dyn') return 'dyn'
    throw wrongType(`${operand} has no field ${JSON.stringify(field.slice(0, 100))}`)
  }
  const kind = Object.hasOwn(operand, field) ? operand[field] : undefined
  if (kind !== undefined) return kind
  throw new OutriderError(
    'cel-unknown-name',
    `the field ${JSON.stringify(field.slice(0, 100))} ${hint(field, Object.keys(operand))}`,
  )
}

function hint(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return meant === undefined ? `is not known; there are ${known.join(', ')}` : `is not known; did you mean ${meant}?`
}

function wrongType(message: string): OutriderError {
  return new OutriderError('cel-type', message)
}
