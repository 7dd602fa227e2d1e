import { type CapturedPort, formatAddress, type Mapping } from '../lib/address.ts'
import type { ConfigOf, Option, OptionTable, OptionValue } from './option.ts'
import { parseValue } from './value.ts'

/**
 * What makes the mesh weaker than its defaults do: the names of dangerous options that are not at theirs, and each listener
 * that takes clients without mutual TLS, or paths that two servers could read differently. A process says them when it starts.
 */
export function weakenedBy<const T extends OptionTable>(table: T, config: ConfigOf<T>): string[] {
  return Object.entries(table).flatMap(([name, option]) => weaknesses(name, option, config[name]))
}

function weaknesses(name: string, option: Option, value: OptionValue): readonly string[] {
  if (option.type === 'mappings' && isListOf<Mapping>(value)) {
    return value.flatMap((mapping) => weakened(`${name} ${formatAddress(mapping.listen)}`, mapping))
  }
  if (option.type === 'captured' && isListOf<CapturedPort>(value)) {
    return value.flatMap((declared) => weakened(`${name} ${declared.port}`, declared))
  }
  const fallback = parseValue(option, option.default)
  return option.dangerous === true && fallback.ok && value !== fallback.value ? [name] : []
}

function weakened(what: string, { mode, normalise }: Pick<Mapping, 'mode' | 'normalise'>): readonly string[] {
  const weak = Object.entries({ mode, normalise }).filter(([, how]) => how !== 'strict')
  return weak.map(([key, how]) => `${what} ${key}=${how}`)
}

/** `parseValue` gives an option of these types such a list. */
function isListOf<T>(value: OptionValue): value is readonly T[] & OptionValue {
  return Array.isArray(value)
}
