import type { Confirmation } from '../../identity/confirmation.ts'
import { type DpopProof, verifyDpopProof } from '../../identity/dpop.ts'
import { normalisePath } from '../../policy/normalise.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { TokenAcceptance } from '../../policy/model.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Credential, CredentialContext } from './credential.ts'
import type { UsedProofs } from './used-proofs.ts'

export interface BindingOptions {
  readonly usedProofs: UsedProofs
  /** Origins that clients may have called, beside the authority of the request. */
  readonly origins: ReadonlySet<string>
}

/** Whether a token is its bearer's own. */
export class BindingCheck {
  readonly #options: BindingOptions

  constructor(options: BindingOptions) {
    this.#options = options
  }

  /**
   * Everything that a token is bound by has to be proven, and `required` has to be among it. A token that is bound to a key is no
   * bearer token, so the scheme Bearer does not carry it (RFC 9449, 7.2).
   */
  check(
    confirmation: Confirmation | undefined,
    required: TokenAcceptance['binding'],
    credential: Credential,
    context: CredentialContext,
  ): Refusal | undefined {
    const { certificate, dpopKey } = confirmation ?? {}
    const missing =
      (required === 'certificate' && certificate === undefined) ||
      (required === 'dpop' && dpopKey === undefined) ||
      (required === 'any' && confirmation === undefined)
    if (missing) return refuse('token-unbound', { detail: `it has to be bound: ${required}` })
    if (certificate !== undefined && certificate !== thumbprintOfPeer(context))
      return refuse('token-binding-mismatch', {
        detail: `it is bound to the certificate ${certificate}, the connection has ${thumbprintOfPeer(context) ?? 'none'}`,
      })
    if (dpopKey !== undefined) return this.#checkProof(dpopKey, credential, context)
    return credential.dpop
      ? refuse('token-unbound', { detail: 'it came under the scheme DPoP and is bound to no key' })
      : undefined
  }

  #checkProof(key: string, credential: Credential, context: CredentialContext): Refusal | undefined {
    const { location } = credential.place
    if ('header' in location && location.header === 'authorization' && !credential.dpop)
      return refuse('token-binding-mismatch', { detail: 'it is bound to a key, and came as a bearer token' })
    const { headers, nowMs, method } = context
    const proofs = headers.filter((_, index) => index % 2 === 1 && headers[index - 1] === 'dpop')
    const [text] = proofs
    if (text === undefined) return refuse('dpop-proof-missing')
    if (proofs.length > 1) return refuse('dpop-proof-invalid', { detail: 'there is more than one' })
    const proof = proven(text, credential.text, nowMs)
    if ('kind' in proof) return proof
    if (proof.thumbprint !== key)
      return refuse('token-binding-mismatch', { detail: 'it is bound to another key than that of the proof' })
    if (proof.method !== method) return refuse('dpop-proof-mismatch', { detail: 'the proof is for another method' })
    if (!this.#isTarget(proof.uri, context))
      return refuse('dpop-proof-mismatch', { detail: 'the proof is for another URI' })
    return this.#use(proof, nowMs)
  }

  #use({ thumbprint, id, expiresAtMs }: DpopProof, nowMs: number): Refusal | undefined {
    const use = this.#options.usedProofs.use(thumbprint, id, expiresAtMs - nowMs)
    if (use === 'first') return undefined
    return refuse(use === 'again' ? 'token-replayed' : 'dpop-busy')
  }

  /** RFC 9449, 4.3, item 9: without query and fragment, both normalised. Whether TLS was ended before us nobody here knows. */
  #isTarget(uri: string, { authority, path }: CredentialContext): boolean {
    const url = URL.parse(uri)
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return false
    if (url.username !== '' || url.password !== '') return false
    const called = URL.parse(`${url.protocol}//${authority}`)
    if (url.host !== called?.host && !this.#options.origins.has(url.origin)) return false
    const normalised = normalisePath(url.pathname)
    return normalised.ok && normalised.path === path
  }
}

function proven(text: string, token: string, nowMs: number): DpopProof | Refusal {
  try {
    return verifyDpopProof(text, token, nowMs)
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    const code = thrown.code === 'dpop-proof-expired' ? 'dpop-proof-expired' : 'dpop-proof-invalid'
    return refuse(code, { detail: thrown.message })
  }
}

/** Base64url, as `x5t#S256` has it. */
function thumbprintOfPeer({ peer }: CredentialContext): string | undefined {
  return peer === undefined ? undefined : Buffer.from(peer.fingerprint, 'hex').toString('base64url')
}
