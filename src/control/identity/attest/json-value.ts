/** What was parsed from JSON that somebody else wrote. */
export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object that is the value of `key`; an empty one when there is none. */
export function objectAt(value: JsonObject, key: string): JsonObject {
  const found = value[key]
  return isObject(found) ? found : {}
}

/** The text that is the value of `key`, when it is one and not longer than `max`. */
export function textAt(value: JsonObject, key: string, max = 1024): string | undefined {
  const found = value[key]
  return typeof found === 'string' && found !== '' && found.length <= max ? found : undefined
}
