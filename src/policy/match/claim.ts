import { isJsonObject, type JsonObject } from '../../identity/json.ts'
import { OutriderError } from '../../lib/errors.ts'

/** Names of members, from the outermost to the claim. */
export type ClaimPath = readonly string[]

const MAX_NAMES = 8
const name = /^(?:[^."[\]\s]+|\["((?:[^"\\]|\\["\\])+)"\])/

/** Reads `sub`, `realm_access.roles`, `["https://example.org/groups"].admin`. Throws `OutriderError` with `claim-path-malformed`. */
export function parseClaimPath(text: string): ClaimPath {
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

/** The value of a claim, or `undefined`. Members that a token did not name, such as `constructor`, are not there. */
export function claimOf(path: ClaimPath, claims: JsonObject): unknown {
  let value: unknown = claims
  for (const name of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}
