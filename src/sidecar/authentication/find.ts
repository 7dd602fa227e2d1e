import type { Headers } from '../../http/headers.ts'
import type { CompiledAuthentication, CredentialPlace } from '../../policy/authentication.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { type Credential, MAX_CREDENTIAL_LENGTH } from './credential.ts'
import { cookieName, cookiePieces, parameterName, queryPieces } from './pieces.ts'

/** Each costs a signature, or a question over the network. */
const MAX_CREDENTIALS = 4
/** RFC 6750, 2.1: what a bearer token is made of. Nothing of it has a meaning in a header, a cookie or a query. */
const credentialText = /^[A-Za-z0-9._~+/-]+=*$/
const DPOP = 'dpop '
const BEARER = 'bearer '

/** All credentials that a request shows in the places where this workload looks for them. `query` is empty or begins with `?`. */
export function findCredentials(
  headers: Headers,
  query: string,
  authentication: CompiledAuthentication,
): readonly Credential[] | Refusal {
  const finder = new Finder()
  const { cookies, queries } = authentication
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    const places = authentication.headers.get(name)
    if (places !== undefined) finder.header(name, headers[index + 1]!, places)
    else if (name === 'cookie' && cookies.size > 0) finder.cookies(headers[index + 1]!, cookies)
  }
  if (queries.size > 0 && query.length > 1) finder.query(query.slice(1), queries)
  return finder.refusal ?? finder.found
}

class Finder {
  readonly found: Credential[] = []
  refusal: Refusal | undefined
  readonly #seen = new Set<CredentialPlace | string>()

  header(name: string, value: string, places: readonly CredentialPlace[]): void {
    // Two readers would take one of two fields each.
    if (this.#seen.has(name)) return this.#refuse('token-repeated', `the field ${name} is there more than once`)
    this.#seen.add(name)
    const lower = value.toLowerCase()
    for (const place of places) {
      const { prefix = '' } = 'header' in place.location ? place.location : {}
      if (lower.startsWith(prefix)) return this.#add(value.slice(prefix.length), place, false)
      if (`${lower} ` === prefix) return this.#refuse('token-malformed', `nothing follows ${value}`)
      // RFC 9449, 7.1: tokens that are bound to a key have a scheme of their own.
      if (name === 'authorization' && prefix === BEARER && lower.startsWith(DPOP))
        return this.#add(value.slice(DPOP.length), place, true)
    }
  }

  cookies(value: string, cookies: ReadonlyMap<string, CredentialPlace>): void {
    for (const piece of cookiePieces(value)) {
      const name = cookieName(piece)
      const place = cookies.get(name)
      if (place === undefined) continue
      const text = piece.slice(piece.indexOf('=') + 1).trim()
      // RFC 6265, 4.1.1: quotes may stand around it.
      this.#addOnce(/^"(.*)"$/s.exec(text)?.[1] ?? text, place, `the cookie ${name}`)
    }
  }

  query(query: string, queries: ReadonlyMap<string, CredentialPlace>): void {
    for (const piece of queryPieces(query)) {
      const name = parameterName(piece)
      const place = queries.get(name)
      if (place !== undefined)
        this.#addOnce(decoded(piece.slice(piece.indexOf('=') + 1)), place, `the parameter ${name}`)
    }
  }

  #addOnce(text: string, place: CredentialPlace, what: string): void {
    if (this.#seen.has(place)) return this.#refuse('token-repeated', `${what} is there more than once`)
    this.#seen.add(place)
    this.#add(text, place, false)
  }

  #add(text: string, place: CredentialPlace, dpop: boolean): void {
    if (text.length > MAX_CREDENTIAL_LENGTH)
      return this.#refuse('token-malformed', `it is longer than ${MAX_CREDENTIAL_LENGTH} characters`)
    if (!credentialText.test(text)) return this.#refuse('token-malformed', 'it is empty, or has characters of no token')
    // RFC 6750, 2: one method of transmission for one token.
    if (this.found.some((other) => other.text === text))
      return this.#refuse('token-repeated', 'one token is in two places')
    if (this.found.length === MAX_CREDENTIALS)
      return this.#refuse('token-too-many', `there are more than ${MAX_CREDENTIALS}`)
    this.found.push({ text, place, dpop })
  }

  #refuse(code: 'token-repeated' | 'token-malformed' | 'token-too-many', detail: string): void {
    this.refusal ??= refuse(code, { detail })
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
