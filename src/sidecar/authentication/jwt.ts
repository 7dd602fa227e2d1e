import { type JsonObject, parseJsonObject } from '../../identity/json.ts'
import type { VerificationKeys } from '../../identity/jwk-set.ts'
import { parseUserToken, type UserToken, verifyUserToken } from '../../identity/user-token.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Watch } from '../../lib/watch.ts'
import type { AcceptedIssuer, CompiledAuthentication } from '../../policy/authentication.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { BindingCheck } from './binding.ts'
import type { Credential, CredentialContext, CredentialVerifier, Outcome } from './credential.ts'
import { claimFields } from './forwarded-form.ts'
import type { KeyRing } from './key-ring.ts'
import type { KeySetStates } from './key-sets.ts'
import { attempt } from './refusing.ts'
import { type VerifiedToken, VerifiedTokens } from './verified-tokens.ts'

export interface JwtVerifierOptions {
  readonly ring: KeyRing
  readonly states: Watch<KeySetStates>
  readonly binding: BindingCheck
  readonly counted: (result: 'verified' | 'remembered' | 'refused') => void
}

/** Of the first try: what was refused for want of keys may be tried again with others. */
interface Tried {
  readonly outcome: VerifiedToken | Refusal
  /** Addresses whose keys may still change that. */
  readonly wanted: readonly string[]
}

/** JSON Web Tokens of issuers that a RequestAuthentication names. */
export class JwtVerifier implements CredentialVerifier {
  readonly #options: JwtVerifierOptions
  readonly #remembered = new VerifiedTokens()
  readonly #unsubscribe: () => void

  constructor(options: JwtVerifierOptions) {
    this.#options = options
    let generations = generationsOf(options.states.current)
    this.#unsubscribe = options.states.subscribe((states) => {
      const now = generationsOf(states)
      if (now !== generations) this.#remembered.clear()
      generations = now
    })
  }

  close(): void {
    this.#unsubscribe()
  }

  /** An issuer whose JWTs are accepted anywhere is never asked about one: what is asked about is what cannot be read. */
  takes({ text, place }: Credential, { issuers }: CompiledAuthentication): boolean {
    if (!looksLikeJws(text) || issuers.size === 0) return false
    if (place.introspection === undefined) return place.issuers.size > 0
    const issuer = issuerOf(text)
    return issuer !== undefined && issuers.has(issuer)
  }

  verify(credential: Credential, context: CredentialContext): Outcome | Promise<Outcome> {
    const { authentication, nowMs } = context
    const { text, place } = credential
    const remembered = this.#remembered.find(text, place, authentication, nowMs)
    if (remembered !== undefined) {
      this.#options.counted('remembered')
      return this.#bound(remembered, credential, context)
    }
    const token = attempt(() => parseUserToken(text))
    if ('kind' in token) return this.#refused(token)
    const { outcome, wanted } = this.#try(token, credential, context)
    if (wanted.length > 0) return this.#tryAgain(token, wanted, credential, context)
    return this.#finish(outcome, credential, context)
  }

  async #tryAgain(
    token: UserToken,
    wanted: readonly string[],
    credential: Credential,
    context: CredentialContext,
  ): Promise<Outcome> {
    await this.#options.ring.change(wanted, context.departure())
    return this.#finish(this.#try(token, credential, context).outcome, credential, context)
  }

  #finish(outcome: VerifiedToken | Refusal, credential: Credential, context: CredentialContext): Outcome {
    if ('kind' in outcome) return this.#refused(outcome)
    this.#options.counted('verified')
    this.#remembered.add(credential.text, credential.place, context.authentication, outcome, context.nowMs)
    return this.#bound(outcome, credential, context)
  }

  #refused(refusal: Refusal): Refusal {
    this.#options.counted('refused')
    return refusal
  }

  #bound(verified: VerifiedToken, credential: Credential, context: CredentialContext): Outcome {
    const { accepted, token, confirmation, headers } = verified
    const refusal = this.#options.binding.check(confirmation, accepted.binding, credential, context)
    if (refusal !== undefined) return this.#refused(refusal)
    return { kind: 'proven', token, forward: accepted.forward, headers }
  }

  /** By each resource that accepts the issuer here: the first that takes the token decides, and the first refusal otherwise. */
  #try(token: UserToken, { place }: Credential, { nowMs }: CredentialContext): Tried {
    const { ring } = this.#options
    const accepting = token.issuer === undefined ? undefined : place.issuers.get(token.issuer)
    if (accepting === undefined)
      return { outcome: refuse('token-issuer-unknown', { detail: `its issuer is ${shown(token.issuer)}` }), wanted: [] }
    let first: Refusal | undefined
    const wanted: string[] = []
    for (const accepted of accepting) {
      const keys = 'set' in accepted.keys ? accepted.keys.set : ring.keysOf(accepted.keys.uri)
      const outcome =
        keys === undefined && 'uri' in accepted.keys
          ? refuse('keys-unavailable', { detail: ring.failureOf(accepted.keys.uri) })
          : verified(token, accepted, keys!, nowMs)
      if (!('kind' in outcome)) return { outcome, wanted: [] }
      first ??= outcome
      const lacksKeys = outcome.code === 'keys-unavailable' || outcome.code === 'token-key-unknown'
      if (lacksKeys && 'uri' in accepted.keys && ring.mayChange(accepted.keys.uri)) wanted.push(accepted.keys.uri)
    }
    return { outcome: first!, wanted }
  }
}

function verified(
  token: UserToken,
  accepted: AcceptedIssuer,
  keys: VerificationKeys,
  nowMs: number,
): VerifiedToken | Refusal {
  const facts = attempt(() => verifyUserToken(token, keys, accepted, nowMs))
  if ('kind' in facts) return facts
  const { subject, claims, expiresAtMs, confirmation } = facts
  const headers = claimFields(claims, accepted.claimsToHeaders)
  if ('kind' in headers) return headers
  return { token: { issuer: accepted.issuer, subject, claims, expiresAtMs }, confirmation, accepted, headers }
}

function looksLikeJws(text: string): boolean {
  const first = text.indexOf('.')
  const second = text.indexOf('.', first + 1)
  return first > 0 && second > first && !text.includes('.', second + 1)
}

/** What it claims; undefined when it is no JWT. */
function issuerOf(text: string): string | undefined {
  const start = text.indexOf('.') + 1
  try {
    const claims: JsonObject = parseJsonObject(Buffer.from(text.slice(start, text.indexOf('.', start)), 'base64url'))
    return typeof claims['iss'] === 'string' ? claims['iss'] : undefined
  } catch (thrown) {
    if (thrown instanceof OutriderError) return undefined
    throw thrown
  }
}

function shown(issuer: string | undefined): string {
  return issuer === undefined ? 'not named' : JSON.stringify(issuer.slice(0, 100))
}

function generationsOf(states: KeySetStates): string {
  return [...states].map(([uri, { generation }]) => `${generation} ${uri}`).join()
}
