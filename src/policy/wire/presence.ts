/** Without what proto3 cannot tell from absent: empty texts and lists, zero, false, null, and the names that say which of a oneof is set. */
export function present(message: object): Record<string, unknown> {
  const set: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(message)) {
    if (value === '' || value === null || value === undefined) continue
    if (!Array.isArray(value) || value.length > 0) set[name] = value
  }
  return set
}

/**
 * How many fields are set in a message and in those below it. Both ends of a stream count alike: where the reader finds fewer
 * than the writer, there was one that it does not know, and a reader of proto3 is told of it in no other way.
 */
export function fieldCount(message: unknown): number {
  if (Array.isArray(message)) return message.reduce((sum: number, entry: unknown) => sum + fieldCount(entry), 0)
  if (typeof message !== 'object' || message === null) return 0
  let count = 0
  for (const [name, value] of Object.entries(message)) {
    if (isSet(name, value)) count += 1 + (typeof value === 'object' ? fieldCount(value) : 0)
  }
  return count
}

/** As `fieldCount`, without what is below. */
export function ownFieldCount(message: object): number {
  return Object.entries(message).filter(([name, value]) => isSet(name, value)).length
}

/** Members that are no fields: which one of a oneof is set, as the reader's side has it, and the count itself. */
const bookkeeping = new Set(['fieldCount', 'condition', 'location'])

function isSet(name: string, value: unknown): boolean {
  if (bookkeeping.has(name) || value === null || value === undefined || value === '' || value === 0 || value === false)
    return false
  if (typeof value === 'string') return !value.endsWith('_UNSPECIFIED')
  return !Array.isArray(value) || value.length > 0
}
