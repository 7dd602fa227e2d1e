import { noUser, type UserIdentity } from '../../policy/decision.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { challenged } from './challenge.ts'
import type { Credential, CredentialContext, CredentialVerifier, Outcome } from './credential.ts'
import { findCredentials } from './find.ts'
import { forwardedForm, type ForwardedForm, type Shown } from './forwarded-form.ts'

/** Who the user of a request is, and what goes on of the request. */
export interface AuthenticatedUser extends ForwardedForm {
  readonly kind: 'user'
  readonly user: UserIdentity
}

type Answer = AuthenticatedUser | Refusal

/** Proves the credentials of requests, each by the verifier of its kind. */
export class Authenticator {
  readonly #verifiers: readonly CredentialVerifier[]

  /** In the order in which they may take a credential. */
  constructor(verifiers: readonly CredentialVerifier[]) {
    this.#verifiers = verifiers
  }

  /**
   * All credentials that a request shows have to prove good; one that shows none has no user. `query` is empty or begins with a
   * question mark. Synchronous unless somebody has to be asked.
   */
  authenticate(context: CredentialContext, query: string): Answer | Promise<Answer> {
    const found = findCredentials(context.headers, query, context.authentication)
    if ('kind' in found) return challenged(found, undefined)
    const outcomes: (Outcome | Promise<Outcome>)[] = []
    let waits = false
    for (const credential of found) {
      const outcome = this.#verify(credential, context)
      if (outcome instanceof Promise) waits = true
      else if (outcome.kind === 'refusal' && !waits) return challenged(outcome, credential)
      outcomes.push(outcome)
    }
    if (!waits) return conclude(found, outcomes.filter(isOutcome), context, query)
    return Promise.all(outcomes.map(async (outcome) => outcome)).then((settled) =>
      conclude(found, settled, context, query),
    )
  }

  #verify(credential: Credential, context: CredentialContext): Outcome | Promise<Outcome> {
    for (const verifier of this.#verifiers) {
      if (verifier.takes(credential, context.authentication)) return verifier.verify(credential, context)
    }
    return refuse('token-malformed', { detail: 'it is nothing that is accepted where it was found' })
  }
}

function isOutcome(outcome: Outcome | Promise<Outcome>): outcome is Outcome {
  return !(outcome instanceof Promise)
}

function conclude(
  found: readonly Credential[],
  outcomes: readonly Outcome[],
  { headers, authentication }: CredentialContext,
  query: string,
): Answer {
  const shown: Shown[] = []
  for (const [index, outcome] of outcomes.entries()) {
    const credential = found[index]!
    if (outcome.kind === 'refusal') return challenged(outcome, credential)
    shown.push({ credential, proven: outcome })
  }
  const user = userOf(shown)
  if ('code' in user) return challenged(user, undefined)
  const form = forwardedForm(headers, query, shown, authentication)
  return 'code' in form ? challenged(form, undefined) : { kind: 'user', user, ...form }
}

/** Two tokens of one issuer, or two keys, would say two things about one user. */
function userOf(shown: readonly Shown[]): UserIdentity | Refusal {
  if (shown.length === 0) return noUser
  const tokens = shown.flatMap(({ proven }) => ('token' in proven ? [proven.token] : []))
  const apiKeys = shown.flatMap(({ proven }) => ('apiKey' in proven ? [proven.apiKey] : []))
  const issuers = new Set(tokens.map(({ issuer }) => issuer))
  if (issuers.size < tokens.length) return refuse('token-repeated', { detail: 'two tokens are of one issuer' })
  if (apiKeys.length > 1) return refuse('token-repeated', { detail: 'there are two API keys' })
  return { tokens, apiKey: apiKeys[0] }
}
