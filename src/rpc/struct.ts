import type { JsonObject, JsonValue } from '../identity/json.ts'
import type { Struct } from '../wire/google/protobuf/Struct.ts'
import type { Value } from '../wire/google/protobuf/Value.ts'

/** google.protobuf.Struct of a JSON object, whose depth its reader has bounded: a level here is three of messages. */
export function structOf(object: JsonObject): Struct {
  return { fields: Object.fromEntries(Object.entries(object).map(([name, value]) => [name, valueOf(value)])) }
}

function valueOf(value: JsonValue): Value {
  if (value === null) return { nullValue: 'NULL_VALUE' }
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'number') return { numberValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  return isList(value) ? { listValue: { values: value.map(valueOf) } } : { structValue: structOf(value) }
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
