import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { EnrolmentConfig } from '../config/enrolment.ts'
import { parseBundle, type TrustBundle } from '../identity/bundle.ts'
import { signProof } from '../identity/proof.ts'
import { controlIdOf, parseSpiffeId, type SpiffeId, trustDomainOf } from '../identity/spiffe-id.ts'
import { fromPem, parseCertificate } from '../identity/x509.ts'
import type { Clock } from '../lib/clock.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { readSmallFile } from '../lib/small-file.ts'
import { unreachable } from '../lib/unreachable.ts'
import { learnTrustBundle } from '../rpc/bootstrap.ts'
import { type JoinToken, parseJoinToken } from '../rpc/token.ts'
import type { AttestRequest } from '../wire/outrider/identity/v1/AttestRequest.ts'

const MAX_FILE_BYTES = 1024 * 1024

/** What the sidecar has in place of an identity, until it has one. */
export interface Evidence {
  /** The identity that it is for. */
  readonly id: SpiffeId
  /** Whether it may be shown again, after an outage or a restart. */
  readonly reusable: boolean
  /** What the first connection to the control server is verified with. */
  readonly learnTrust: () => Promise<TrustBundle>
  /** Whether the roots that it names are among those of `bundle`: if not, it is for another mesh or another time. */
  readonly believes: (bundle: TrustBundle) => boolean
  /** The evidence for a request with this CSR. Files are read anew, because others renew them. */
  show(csr: Buffer): Omit<AttestRequest, 'csr'>
}

/**
 * The evidence that the options name. Errors: `join-token-missing`, `join-token-unreadable`, `token-malformed`,
 * `evidence-incomplete`, `evidence-unreadable`, and those of SPIFFE IDs.
 */
export function evidenceOf(config: EnrolmentConfig, clock: Clock): Evidence {
  switch (config.attestation) {
    case 'join-token': {
      const { spiffeId: id, secret, rootFingerprint } = joinToken(config)
      return {
        id,
        reusable: false,
        learnTrust: () => learnPinned(config, id, rootFingerprint, clock),
        believes: (bundle) => hasRoot(bundle, rootFingerprint),
        show: () => ({ joinToken: secret }),
      }
    }
    case 'kubernetes':
      return {
        ...reusable(config, clock),
        show: () => ({ kubernetesToken: readText(config.kubernetesTokenFile, 'kubernetesTokenFile').trim() }),
      }
    case 'x509': {
      const certFile = needed(config.x509CertFile, 'x509CertFile')
      const keyFile = needed(config.x509KeyFile, 'x509KeyFile')
      return {
        ...reusable(config, clock),
        show: (csr) => {
          const chain = readPem(certFile, 'x509CertFile')
          return { x509Proof: { chain, signature: signProof(readKey(keyFile), csr) } }
        },
      }
    }
    default:
      return unreachable(config.attestation)
  }
}

function reusable(config: EnrolmentConfig, clock: Clock): Omit<Evidence, 'show'> {
  const { trustBundleFile, rootSha256 } = config
  const id = parseSpiffeId(needed(config.spiffeId, 'spiffeId'))
  if ((trustBundleFile === undefined) === (rootSha256 === undefined)) {
    throw incomplete(
      'one of trustBundleFile and rootSha256 is needed: without a root anybody could pass for the control server',
    )
  }
  const learned: Pick<Evidence, 'learnTrust' | 'believes'> =
    rootSha256 === undefined
      ? {
          learnTrust: async () => bundleIn(trustBundleFile!, id),
          believes: (bundle) =>
            bundleIn(trustBundleFile!, id).authorities.some((root) => hasRoot(bundle, root.fingerprint)),
        }
      : {
          learnTrust: () => learnPinned(config, id, rootSha256, clock),
          believes: (bundle) => hasRoot(bundle, rootSha256),
        }
  return { id, reusable: true, ...learned }
}

function hasRoot({ authorities }: TrustBundle, sha256: string): boolean {
  return authorities.some(({ fingerprint }) => fingerprint === sha256)
}

function learnPinned(
  { controlAddress: address }: EnrolmentConfig,
  id: SpiffeId,
  rootFingerprint: string,
  clock: Clock,
): Promise<TrustBundle> {
  return learnTrustBundle({ address, rootFingerprint, serverId: controlIdOf(trustDomainOf(id)), clock })
}

function bundleIn(path: string, id: SpiffeId): TrustBundle {
  return parseBundle({ trustDomain: trustDomainOf(id), authorities: readPem(path, 'trustBundleFile'), sequence: 0 })
}

function joinToken({ joinToken: given, joinTokenFile }: EnrolmentConfig): JoinToken {
  if (given !== undefined) return parseJoinToken(given.reveal())
  if (joinTokenFile === undefined) {
    throw new OutriderError(
      'join-token-missing',
      'there is no join token: set OUTRIDER_JOIN_TOKEN or joinTokenFile (make one with "outrider token create")',
    )
  }
  try {
    return parseJoinToken(readSmallFile(joinTokenFile, MAX_FILE_BYTES).text)
  } catch (cause) {
    if (cause instanceof OutriderError) throw cause
    throw new OutriderError('join-token-unreadable', `the join token file ${joinTokenFile} cannot be read`, { cause })
  }
}

function needed(value: string | undefined, option: string): string {
  if (value !== undefined) return value
  throw incomplete(`${option} is needed with this kind of attestation`)
}

function incomplete(message: string): OutriderError<'evidence-incomplete'> {
  return new OutriderError('evidence-incomplete', message)
}

function readText(path: string, option: string): string {
  return readable(path, option, () => readSmallFile(path, MAX_FILE_BYTES).text)
}

function readPem(path: string, option: string): Buffer[] {
  return readable(path, option, () => {
    const chain = fromPem(readSmallFile(path, MAX_FILE_BYTES).text)
    for (const der of chain) parseCertificate(der)
    if (chain.length === 0) throw new Error('there is no certificate in it')
    return chain
  })
}

function readKey(path: string): KeyObject {
  return readable(path, 'x509KeyFile', () => createPrivateKey(readSmallFile(path, MAX_FILE_BYTES).text))
}

/** Whoever renews the file may be in the middle of it: another try later may succeed. */
function readable<T>(path: string, option: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new OutriderError('evidence-unreadable', `${path} cannot be used: ${describeError(cause)}`, {
      place: option,
      retryable: true,
    })
  }
}
