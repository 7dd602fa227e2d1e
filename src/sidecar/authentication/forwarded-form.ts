import { type Headers, withoutFields } from '../../http/headers.ts'
import type { JsonObject } from '../../identity/json.ts'
import type { ClaimHeader, CompiledAuthentication } from '../../policy/authentication.ts'
import { claimOf } from '../../policy/match/claim.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Credential, Proven } from './credential.ts'
import { withoutCookies, withoutParameters } from './pieces.ts'

/** A credential of a request, and what it proved. */
export interface Shown {
  readonly credential: Credential
  readonly proven: Proven
}

/** What the rules see and the application gets. */
export interface ForwardedForm {
  readonly headers: Headers
  /** Empty, or with its question mark. */
  readonly query: string
}

/** Of one field made of claims. */
const MAX_CLAIM_FIELD_BYTES = 4096

/** Takes credentials out that the application does not get, and puts the fields in that claims are to be in. */
export function forwardedForm(
  headers: Headers,
  query: string,
  shown: readonly Shown[],
  { claimHeaders }: CompiledAuthentication,
): ForwardedForm | Refusal {
  const fields = new Set<string>(claimHeaders)
  const cookies = new Set<string>()
  const parameters = new Set<string>()
  const added: string[] = []
  for (const { credential, proven } of shown) {
    const conflict = addFields(added, proven.headers)
    if (conflict !== undefined)
      return refuse('claims-conflict', { detail: `two tokens want to be in the field ${conflict}` })
    if (proven.forward) continue
    const { location } = credential.place
    if ('cookie' in location) cookies.add(location.cookie)
    else if ('query' in location) parameters.add(location.query)
    else fields.add(location.header)
    // It proves a token that goes no further.
    if ('token' in proven) fields.add('dpop')
  }
  if (fields.size + cookies.size + parameters.size === 0) return { headers, query }
  return {
    headers: [...keptFields(headers, fields, cookies), ...added],
    query: parameters.size === 0 ? query : withoutParameters(query, parameters),
  }
}

function keptFields(headers: Headers, fields: ReadonlySet<string>, cookies: ReadonlySet<string>): Headers {
  const without = withoutFields(headers, fields)
  if (cookies.size === 0) return without
  const kept: string[] = []
  for (let index = 0; index < without.length; index += 2) {
    const name = without[index]!
    const value = name === 'cookie' ? withoutCookies(without[index + 1]!, cookies) : without[index + 1]!
    if (name !== 'cookie' || value !== '') kept.push(name, value)
  }
  return kept
}

/** The name of a field that is there with another value. */
function addFields(added: string[], headers: Headers): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    const at = added.findIndex((name, place) => place % 2 === 0 && name === headers[index])
    if (at < 0) added.push(headers[index]!, headers[index + 1]!)
    else if (added[at + 1] !== headers[index + 1]) return headers[index]
  }
  return undefined
}

/**
 * The fields that claims of a token become: texts, numbers and booleans as they stand, lists of them with commas between. What a
 * field value has no room for is percent-encoded, and so is `%` itself; in a list the comma too. An object becomes nothing.
 */
export function claimFields(claims: JsonObject, wanted: readonly ClaimHeader[]): Headers | Refusal {
  const headers: string[] = []
  for (const { claim, header } of wanted) {
    const value = fieldOf(claimOf(claim, claims))
    if (value === undefined || value === '') continue
    if (value.length > MAX_CLAIM_FIELD_BYTES)
      return refuse('claims-too-large', {
        detail: `the field ${header} would have ${value.length} bytes, at most ${MAX_CLAIM_FIELD_BYTES} are sent`,
      })
    headers.push(header, value)
  }
  return headers
}

function fieldOf(value: unknown): string | undefined {
  if (!Array.isArray(value)) return textOf(value)
  const texts = value.map((entry) => textOf(entry)?.replaceAll(',', '%2C'))
  return texts.filter((text) => text !== undefined).join(',')
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string') return undefined
  return value.toWellFormed().replaceAll(/^ | $|[^ -~]|%/gu, (character) => encoded(character))
}

/** UTF-8, in hexadecimal. */
function encoded(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}
