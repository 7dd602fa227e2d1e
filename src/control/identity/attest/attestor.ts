import type { SpiffeId } from '../../../identity/spiffe-id.ts'
import { OutriderError } from '../../../lib/errors.ts'
import type { PeerCredentials } from '../../../lib/peer-credentials.ts'
import type { IssuedRecord } from '../../store/store.ts'

/** What a caller shows to prove who it is. */
export type Evidence =
  /** The secret part of a join token. */
  | { readonly kind: 'join-token'; readonly secret: string }
  /** A projected service-account token, a JWT. */
  | { readonly kind: 'kubernetes'; readonly token: string }
  /** A chain, DER, leaf first, and a signature by its key. */
  | { readonly kind: 'x509'; readonly chain: readonly Uint8Array[]; readonly signature: Uint8Array }
  | { readonly kind: 'unix'; readonly peer: PeerCredentials }
export type EvidenceKind = Evidence['kind']

/** What the evidence came with. */
export interface AttestationRequest {
  /** PKCS#10, DER, verified. */
  readonly csr: Buffer
  readonly wanted: SpiffeId
  readonly nowMs: number
}

/** What evidence that holds says of its bearer. */
export interface Attestation {
  /** The bearer, the same each time: what the audit log and the limits know it by. */
  readonly source: string
  /** All that was proved. An identity is given when each selector of its Workload is among them. */
  readonly selectors: ReadonlySet<string>
  /** The operator made the evidence for this one identity: its Workload's selectors are not asked. */
  readonly granted?: SpiffeId
  /** ID of the join token. */
  readonly tokenId?: string
  /**
   * Stores what was issued, in one step with the use of evidence that is good for one. In its absence it is stored like any
   * other. Throws the refusal when the evidence was used in the meantime.
   */
  record?(issued: IssuedRecord, nowMs: number): void
}

/**
 * One way to prove who one is. Evidence that does not hold is refused: `attestation-refused`, for join tokens
 * `join-token-refused`; when it cannot be verified now, `attestation-unavailable`.
 */
export interface Attestor<Kind extends EvidenceKind> {
  attest(evidence: Extract<Evidence, { kind: Kind }>, request: AttestationRequest): Attestation | Promise<Attestation>
}

/** Those that are switched on. */
export type Attestors = { readonly [Kind in EvidenceKind]?: Attestor<Kind> }

/** Asks the attestor for evidence of this kind. Errors: the attestor's, and `attestation-not-offered`. */
export function attest(
  attestors: Attestors,
  evidence: Evidence,
  request: AttestationRequest,
): Attestation | Promise<Attestation> {
  switch (evidence.kind) {
    case 'join-token':
      return offered(attestors['join-token'], evidence).attest(evidence, request)
    case 'kubernetes':
      return offered(attestors.kubernetes, evidence).attest(evidence, request)
    case 'x509':
      return offered(attestors.x509, evidence).attest(evidence, request)
    case 'unix':
      return offered(attestors.unix, evidence).attest(evidence, request)
    default:
      throw new OutriderError('evidence-missing', 'the request has no evidence that this server knows')
  }
}

function offered<T>(attestor: T | undefined, { kind }: Evidence): T {
  if (attestor !== undefined) return attestor
  throw new OutriderError(
    'attestation-not-offered',
    `this control server does not take evidence of the kind ${kind}: see its options`,
  )
}

export function refusedEvidence(what: string, why: string): OutriderError<'attestation-refused'> {
  return new OutriderError('attestation-refused', `the ${what} ${why}`)
}
