import { unreachable } from '../lib/unreachable.ts'
import {
  isLoopback,
  isUnspecified,
  parseAddress,
  parseHost,
  parseMapping,
  parseServiceMapping,
} from '../lib/address.ts'
import { parseDuration } from '../lib/duration.ts'
import type { Option, OptionValue } from './option.ts'
import { Secret } from './secret.ts'

export type ValueErrorCode = 'config-value-malformed' | 'config-value-out-of-range' | 'config-value-not-allowed'

interface ValueProblem {
  readonly code: ValueErrorCode
  /** What is wrong; follows `"the value" is `. */
  readonly message: string
}

type Parsed<Value = OptionValue> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: ValueProblem }

function accept<Value>(value: Value): Parsed<Value> {
  return { ok: true, value }
}

function refuse(code: ValueErrorCode, message: string): Parsed<never> {
  return { ok: false, problem: { code, message } }
}

const malformed = (expected: string): Parsed<never> => refuse('config-value-malformed', `not ${expected}`)

/** The range of an option in words, or `undefined` where it has none: for errors, `--help` and the reference page. */
export function rangeOf(option: Option): string | undefined {
  switch (option.type) {
    case 'integer':
      return `${option.min} .. ${option.max}${option.auto === true ? ', auto' : ''}`
    case 'duration':
      return `${option.min} .. ${option.max}`
    case 'enum':
      return option.values.join(', ')
    case 'boolean':
      return 'true, false'
    case 'mappings':
    case 'services':
      return `at most ${option.max}`
    case 'address':
      if (option.loopback === true) return 'a loopback address'
      return option.use === 'connect' ? 'port 1 .. 65535' : undefined
    case 'string':
      return option.expects
    case 'path':
    case 'host':
    case 'secret':
      return undefined
    default:
      return unreachable(option)
  }
}

/**
 * Checks one raw value. Texts come from flags and the environment; files may also hold numbers, booleans and lists of
 * texts.
 */
export function parseValue(option: Option, raw: unknown): Parsed {
  switch (option.type) {
    case 'integer':
    case 'duration':
      return parseNumber(option, raw)
    case 'boolean':
      if (raw === true || raw === 'true') return accept(true)
      return raw === false || raw === 'false' ? accept(false) : malformed('true or false')
    case 'enum':
      return typeof raw === 'string' && option.values.includes(raw)
        ? accept(raw)
        : malformed(`one of ${option.values.join(', ')}`)
    case 'mappings':
      return parseList(option.max, raw, 'LISTEN=[PROTOCOL://]APP[?mode=MODE][&normalise=MODE]', parseMapping)
    case 'services':
      return parseList(option.max, raw, 'LISTEN=SERVICE_HOST:PORT', parseServiceMapping)
    case 'string':
    case 'path':
    case 'address':
    case 'host':
    case 'secret':
      return typeof raw === 'string' ? parseText(option, raw) : malformed('a text')
    default:
      return unreachable(option)
  }
}

function parseNumber(option: Extract<Option, { type: 'integer' | 'duration' }>, raw: unknown): Parsed {
  const read = (value: unknown): number | undefined => {
    if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined
    if (typeof value !== 'string') return undefined
    if (/^\d{1,15}$/.test(value)) return Number(value)
    return option.type === 'duration' ? parseDuration(value) : undefined
  }
  const auto = option.type === 'integer' && option.auto === true
  if (auto && raw === 'auto') return accept('auto')
  const value = read(raw)
  if (value === undefined) {
    const number = auto ? 'a whole number or auto' : 'a whole number'
    return malformed(option.type === 'duration' ? 'a duration such as 250ms, 10s, 5m or 24h' : number)
  }
  const inRange = value >= read(option.min)! && value <= read(option.max)!
  return inRange ? accept(value) : refuse('config-value-out-of-range', `outside ${option.min} .. ${option.max}`)
}

function parseText(
  option: Extract<Option, { type: 'string' | 'path' | 'address' | 'host' | 'secret' }>,
  text: string,
): Parsed {
  if (text.includes('\0')) return malformed('a text without NUL')
  if (option.type === 'secret') return accept(text === '' ? undefined : new Secret(text))
  if (text === '')
    return option.optional === true ? accept(undefined) : refuse('config-value-malformed', 'empty: a value is needed')
  switch (option.type) {
    case 'path':
      return accept(text)
    case 'string':
      return option.pattern === undefined || new RegExp(`^(?:${option.pattern})$`).test(text)
        ? accept(text)
        : malformed(option.expects ?? 'allowed')
    case 'host': {
      const host = parseHost(text)
      if (host === undefined) return malformed('an IP address or a host name')
      return isUnspecified(host)
        ? refuse('config-value-not-allowed', 'no address that a peer could connect to')
        : accept(host)
    }
    case 'address': {
      const address = parseAddress(text)
      if (address === undefined) return malformed('an address such as 127.0.0.1:15401 or [::1]:15401')
      if (option.use === 'connect' && address.port === 0) return refuse('config-value-out-of-range', 'without a port')
      if (option.loopback === true && !isLoopback(address.host)) {
        return refuse('config-value-not-allowed', 'no loopback address (127.0.0.0/8, ::1 or localhost)')
      }
      return accept(Object.freeze(address))
    }
    default:
      return unreachable(option)
  }
}

function parseList<Item extends object>(
  max: number,
  raw: unknown,
  form: string,
  parse: (text: string) => Item | string,
): Parsed<readonly Item[]> {
  const given: readonly unknown[] = Array.isArray(raw) ? raw : [raw]
  const texts = given.flatMap((item) => (typeof item === 'string' ? item.split(',') : [item]))
  const items: Item[] = []
  for (const text of texts) {
    if (typeof text !== 'string') return malformed(`a list of texts ${form}`)
    if (text.trim() === '') continue
    const item = parse(text)
    if (typeof item === 'string') return malformed(`a list of ${form}: in ${JSON.stringify(text.trim())} ${item}`)
    for (const part of Object.values(item)) Object.freeze(part)
    items.push(Object.freeze(item))
  }
  return items.length > max
    ? refuse('config-value-out-of-range', `longer than ${max} entries`)
    : accept(Object.freeze(items))
}
