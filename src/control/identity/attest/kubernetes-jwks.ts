import type { KeyObject } from 'node:crypto'
import { isJsonObject, type JsonObject, parseJsonObject } from '../../../identity/json.ts'
import { readJwkSet } from '../../../identity/jwk-set.ts'
import { type JwsAlgorithm, parseJws, verifyJws } from '../../../identity/jws.ts'
import type { Clock } from '../../../lib/clock.ts'
import { describeError, OutriderError } from '../../../lib/errors.ts'
import { readSmallFile } from '../../../lib/small-file.ts'
import { objectAt, textAt } from './json-value.ts'
import {
  MAX_TOKEN_LENGTH,
  refusedToken,
  type ServiceAccount,
  serviceAccountOf,
  type TokenVerifier,
  unavailable,
} from './kubernetes.ts'
import { askApi } from './kubernetes-api.ts'

export interface JwksOptions {
  /** What `iss` must be, letter by letter. */
  readonly issuer: string
  readonly audience: string
  readonly keys: KeySource
}

/** Keys by their `kid`. */
export type KeySet = ReadonlyMap<string, Key>

interface Key {
  readonly algorithm: JwsAlgorithm
  readonly key: KeyObject
}

const ALGORITHMS: readonly JwsAlgorithm[] = ['RS256', 'ES256']
/** Header fields that would choose the key (RFC 7515, 4.1): no token of a cluster has one. */
const FORBIDDEN = ['jku', 'jwk', 'x5u', 'x5c']
const CLOCK_SKEW_S = 20

/**
 * Verifies tokens with the cluster's public keys, without a call of the API server for each (RFC 7519; claims as Kubernetes
 * makes them for projected tokens). A pod that was deleted a moment ago still passes, until its token expires.
 */
export function offlineReview({ issuer, audience, keys }: JwksOptions): TokenVerifier {
  return async (token, nowMs) => {
    const jws = refusing(() => parseJws(token, ALGORITHMS, MAX_TOKEN_LENGTH))
    const forbidden = FORBIDDEN.find((field) => field in jws.header)
    if (forbidden !== undefined) throw refusedToken(`has the header field ${forbidden}`)
    const kid = textAt(jws.header, 'kid', 256)
    if (kid === undefined) throw refusedToken('does not say which key it is signed with (kid)')
    const key = await keys.find(kid)
    if (key === undefined) throw refusedToken("is signed with a key that is not the cluster's")
    // The algorithm is that of the key, never what a token asks for.
    if (key.algorithm !== jws.algorithm) throw refusedToken(`names ${jws.algorithm}, which is not what its key is for`)
    refusing(() => verifyJws(jws, key.key))
    const claims = refusing(() => parseJsonObject(jws.payload))
    checkClaims(claims, issuer, audience, nowMs / 1000)
    return accountOf(claims)
  }
}

/** What is wrong with the token, under the code of refusals here. */
function refusing<T>(check: () => T): T {
  try {
    return check()
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    throw refusedToken(thrown.message)
  }
}

function checkClaims(claims: JsonObject, issuer: string, audience: string, nowS: number): void {
  if (claims['iss'] !== issuer) throw refusedToken(`is not of the issuer ${issuer}`)
  const { aud } = claims
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (!audiences.includes(audience)) throw refusedToken(`is not for the audience ${audience}`)
  const { exp } = claims
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw refusedToken('does not expire')
  if (nowS >= exp) throw refusedToken(`has expired ${Math.ceil(nowS - exp)} s ago`)
  for (const name of ['nbf', 'iat']) {
    const from = claims[name]
    if (from === undefined) continue
    if (typeof from !== 'number' || !(nowS >= from - CLOCK_SKEW_S)) throw refusedToken(`is not valid yet (${name})`)
  }
}

function accountOf(claims: JsonObject): ServiceAccount {
  const account = serviceAccountOf(claims['sub'])
  const bound = objectAt(claims, 'kubernetes.io')
  const named = textAt(objectAt(bound, 'serviceaccount'), 'name')
  if (bound['namespace'] !== account.namespace || named !== account.name)
    throw refusedToken('contradicts itself: its subject is not the service account of its claims')
  const pod = objectAt(bound, 'pod')
  const [podName, podUid] = [textAt(pod, 'name'), textAt(pod, 'uid')]
  const nodeName = textAt(objectAt(bound, 'node'), 'name')
  return {
    ...account,
    ...(podName === undefined || podUid === undefined ? {} : { pod: { name: podName, uid: podUid } }),
    ...(nodeName === undefined ? {} : { nodeName }),
  }
}

/** Where keys come from: a file, or an HTTPS address. */
export interface KeyPlace {
  readonly place: string
  readonly clock: Clock
  /** For an HTTPS address; see `ApiCall`. */
  readonly caFile?: string
  readonly tokenFile?: string
}

const MAX_FILE_BYTES = 256 * 1024
/** Looked at anew after so long, or at a key that is not there; then no more often than `REREAD_MS`. */
const FRESH_MS = 5 * 60_000
const REREAD_MS = 10_000
/** Keys that could not be looked at anew for so long count for nothing. */
const MAX_AGE_MS = 60 * 60_000

/** The keys of a cluster (RFC 7517), kept for a while: a cluster that changes its keys tells nobody. */
export class KeySource {
  readonly #options: KeyPlace
  #keys: KeySet = new Map()
  #readAt = Number.NEGATIVE_INFINITY
  #triedAt = Number.NEGATIVE_INFINITY
  #fault: unknown
  #reading: Promise<void> | undefined

  constructor(options: KeyPlace) {
    this.#options = options
  }

  /** Throws `attestation-unavailable` when there are no keys that may be used. */
  async find(kid: string): Promise<Key | undefined> {
    const now = this.#options.clock.monotonic()
    const stale = now - this.#readAt >= FRESH_MS || !this.#keys.has(kid)
    if (stale && now - this.#triedAt >= REREAD_MS) {
      this.#triedAt = now
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined
      })
    }
    await this.#reading
    if (this.#options.clock.monotonic() - this.#readAt >= MAX_AGE_MS)
      throw unavailable(
        `the keys of the cluster cannot be had from ${this.#options.place}: ${describeError(this.#fault)}`,
      )
    return this.#keys.get(kid)
  }

  async #read(): Promise<void> {
    const { place, clock, caFile, tokenFile } = this.#options
    try {
      const document = place.startsWith('https://')
        ? await askApi(
            {
              url: new URL(place),
              ...(caFile === undefined ? {} : { caFile }),
              ...(tokenFile === undefined ? {} : { tokenFile }),
            },
            clock,
          )
        : JSON.parse(readSmallFile(place, MAX_FILE_BYTES).text)
      this.#keys = readKeys(document)
      this.#readAt = clock.monotonic()
    } catch (error) {
      this.#fault = error
    }
  }
}

/** Keys without an ID, and of other algorithms, are left out. Throws when none is left. */
function readKeys(document: unknown): KeySet {
  if (!isJsonObject(document)) throw new Error('it is no JWK set')
  const keys = new Map<string, Key>()
  for (const { keyId, algorithms, key } of readJwkSet(document).keys) {
    const algorithm = ALGORITHMS.find((name) => algorithms.includes(name))
    if (keyId !== undefined && algorithm !== undefined) keys.set(keyId, { algorithm, key })
  }
  if (keys.size === 0) throw new Error('it has no RS256 or ES256 key with a kid')
  return keys
}
