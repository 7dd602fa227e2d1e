import type { ConfigOf, OptionTable } from './option.ts'
import { parseValue } from './value.ts'

/** Names of the dangerous options that are not at their default: a process says them when it starts. */
export function weakenedBy<const T extends OptionTable>(table: T, config: ConfigOf<T>): string[] {
  return Object.entries(table)
    .filter(([name, option]) => {
      const fallback = parseValue(option, option.default)
      return option.dangerous === true && fallback.ok && config[name] !== fallback.value
    })
    .map(([name]) => name)
}
