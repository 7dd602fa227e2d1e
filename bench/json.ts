/** The text at `path` in a JSON document; throws when there is none. */
export function textAt(json: string, ...path: readonly string[]): string {
  let value: unknown = JSON.parse(json)
  for (const key of path) value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
  if (typeof value !== 'string') throw new Error(`no text at ${path.join('.')} in ${json.slice(0, 500)}`)
  return value
}
