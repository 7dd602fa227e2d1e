import { formatAddress, type Mapping } from '../lib/address.ts'
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
  if (option.type === 'mappings' && isMappings(value)) {
    return value.flatMap(({ listen, mode, normalise }) => {
      const weak = Object.entries({ mode, normalise }).filter(([, how]) => how !== 'strict')
      return weak.map(([key, how]) => `${name} ${formatAddress(listen)} ${key}=${how}`)
    })
  }
  const fallback = parseValue(option, option.default)
  return option.dangerous === true && fallback.ok && value !== fallback.value ? [name] : []
}

/** `parseValue` gives an option of this type such a list. */
function isMappings(value: OptionValue): value is readonly Mapping[] {
  return Array.isArray(value)
}
