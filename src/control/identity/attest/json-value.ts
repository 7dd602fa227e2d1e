import { isJsonObject, type JsonObject } from '../../../identity/json.ts'

/** The object that is the value of `key`; an empty one when there is none. */
export function objectAt(value: JsonObject, key: string): JsonObject {
  const found: unknown = value[key]
  return isJsonObject(found) ? found : {}
}

/** The text that is the value of `key`, when it is one, not empty, and not longer than `max`. */
export function textAt(value: JsonObject, key: string, max = 1024): string | undefined {
  const found = value[key]
  return typeof found === 'string' && found !== '' && found.length <= max ? found : undefined
}
