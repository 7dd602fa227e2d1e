import type { CelInput } from '@bufbuild/cel'
import type { JsonObject } from '../../identity/json.ts'
import type { TokenIdentity } from '../decision.ts'
import type { Query } from '../query.ts'

/** The type of a value, by its name in CEL; a record has these fields and no others. */
export type CelKind = string | { readonly [field: string]: CelKind }

export const TIMESTAMP = 'google.protobuf.Timestamp'

/** Names of what expressions may speak of. */
export type CelVariable = 'request' | 'source' | 'token' | 'tokens' | 'api_key' | 'connection' | 'now'

/** What a request does not have is an error when it is asked for; `has()` tells. `token` is the first of `tokens`. */
export const variables: Readonly<Record<CelVariable, CelKind>> = {
  request: { method: 'string', path: 'string', host: 'string', port: 'int', headers: 'map' },
  source: { id: 'string', namespace: 'string', service_account: 'string', trust_domain: 'string', ip: 'string' },
  token: { issuer: 'string', subject: 'string', claims: 'map' },
  tokens: 'list',
  api_key: { id: 'string', owner: 'string', scopes: 'list' },
  connection: { sni: 'string' },
  now: TIMESTAMP,
}

export type CelVariables = { readonly [K in CelVariable]: CelInput | undefined }

/** How the library says times and errors, which are values of its own. */
export interface CelValues {
  readonly timestamp: (ms: number) => CelInput
  readonly error: (message: string) => unknown
}

const known = new WeakMap<Query, CelVariables>()

/** The variables of one request; each is made when an expression first asks for it, and the next one gets the same. */
export function bindingsOf(query: Query, values: CelValues): CelVariables {
  const present = known.get(query) ?? new Bindings(query, values)
  known.set(query, present)
  return present
}

class Bindings implements CelVariables {
  readonly #query: Query
  readonly #values: CelValues
  #request: CelInput | undefined
  #tokens: readonly CelInput[] | undefined
  #now: CelInput | undefined

  constructor(query: Query, values: CelValues) {
    this.#query = query
    this.#values = values
  }

  get request(): CelInput {
    const { method, path, host, port, headers } = this.#query
    this.#request ??= record({
      method,
      path,
      host,
      port: BigInt(port),
      headers: headers === undefined ? undefined : headerMap(headers, this.#values),
    })
    return this.#request
  }

  get source(): CelInput {
    const { id, namespace, serviceAccount, trustDomain, request } = this.#query
    const [, service_account] = serviceAccount?.split('/') ?? []
    return record({ id, namespace, service_account, trust_domain: trustDomain, ip: request.address })
  }

  get tokens(): readonly CelInput[] {
    this.#tokens ??= this.#query.user.tokens.map(tokenRecord)
    return this.#tokens
  }

  get token(): CelInput | undefined {
    return this.tokens[0]
  }

  get api_key(): CelInput | undefined {
    const { apiKey } = this.#query.user
    return apiKey === undefined ? undefined : record({ id: apiKey.id, owner: apiKey.owner, scopes: apiKey.scopes })
  }

  get connection(): CelInput {
    return record({ sni: this.#query.sni })
  }

  get now(): CelInput | undefined {
    const { nowMs } = this.#query
    if (nowMs !== undefined) this.#now ??= this.#values.timestamp(nowMs)
    return this.#now
  }
}

function record(fields: Readonly<Record<string, CelInput | undefined>>): ReadonlyMap<string, CelInput> {
  const map = new Map<string, CelInput>()
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) map.set(name, value)
  return map
}

/** A header that is there several times with different values has none that an expression could rely on: it is an error. */
function headerMap(headers: readonly string[], { error }: CelValues): ReadonlyMap<string, CelInput> {
  const map = new Map<string, CelInput>()
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!
    const value = headers[at + 1]!
    const present = map.get(name)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library takes errors for values, its type does not say so
    map.set(name, present === undefined || present === value ? value : (error('several values') as CelInput))
  }
  return map
}

function tokenRecord({ issuer, subject, claims }: TokenIdentity): CelInput {
  return record({ issuer, subject, claims: claimMap(claims) })
}

/** As maps: a claim called `constructor` is nothing special then. */
function claimMap(claims: JsonObject): CelInput {
  return new Map(Object.entries(claims).map(([name, value]) => [name, claimValue(value)]))
}

function claimValue(value: unknown): CelInput {
  if (Array.isArray(value)) return value.map(claimValue)
  if (typeof value === 'object' && value !== null)
    return new Map(Object.entries(value).map(([name, member]) => [name, claimValue(member)]))
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null
}
