import { isJsonObject, type JsonObject, type JsonValue } from '../../identity/json.ts'
import { OutriderError } from '../../lib/errors.ts'

/** Names of members, from the outermost to the claim. */
export type ClaimPath = readonly string[]

const MAX_NAMES = 8
const name = /^(?:[^."[\]\s]+|\["((?:[^"\\]|\\["\\])+)"\])/

/** Reads `sub`, `realm_access.roles`, `["https://example.org/groups"].admin`. Throws `OutriderError` with `claim-path-malformed`. */
export function parseClaim(text: string): ClaimPath {
  const names: string[] = []
  let rest = text
  for (;;) {
    const [whole, quoted] = name.exec(rest) ?? []
    if (whole === undefined || names.length === MAX_NAMES)
      throw new OutriderError(
        'claim-path-malformed',
        `a claim is 1 to ${MAX_NAMES} names with dots between them, those with other characters as ["name"]: ${JSON.stringify(text.slice(0, 100))}`,
      )
    names.push(quoted === undefined ? whole : quoted.replaceAll(/\\(.)/g, '$1'))
    rest = rest.slice(whole.length)
    if (rest === '') return names
    if (rest.startsWith('.')) rest = rest.slice(1)
    else if (!rest.startsWith('[')) rest = '.'
  }
}

/** The value at the path, or undefined. */
export function claimAt(claims: JsonObject, path: ClaimPath): JsonValue | undefined {
  let value: JsonValue | undefined = claims
  for (const name of path) value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  return value
}
