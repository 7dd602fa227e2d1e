import { hash } from 'node:crypto'
import { OutriderError } from '../../../lib/errors.ts'
import { oids } from '../../../identity/extension.ts'
import { verifyProof } from '../../../identity/proof.ts'
import { verifyPath } from '../../../identity/verify.ts'
import type { Certificate } from '../../../identity/x509.ts'
import { selectorText } from '../../../policy/match/selector.ts'
import { type Attestor, refusedEvidence } from './attestor.ts'

const MIN_RSA_BITS = 2048

/**
 * Possession of a key that another authority has certified, such as that of a machine: a chain to one of `roots`, and a
 * signature by its key over a label and the CSR. There is no challenge: what an eavesdropper could show again is a CSR whose
 * key is the requester's own, and the certificate that it brings is of no use to anybody else.
 */
export function x509Attestor(roots: readonly Certificate[]): Attestor<'x509'> {
  return {
    attest({ chain, signature }, { csr, nowMs }) {
      const path = refusing(() => verifyPath(chain, roots, nowMs))
      const leaf = path[0]!
      checkUse(leaf)
      if (!verifyProof(leaf.publicKey, csr, signature))
        throw refusedProof('is not signed with the key of its certificate')
      const { uris, dnsNames } = leaf.altNames ?? { uris: [], dnsNames: [] }
      return {
        source: `x509:${leaf.fingerprint}`,
        selectors: new Set([
          selectorText('x509:subject-sha256', hash('sha256', leaf.subject, 'hex')),
          selectorText('x509:cert-sha256', leaf.fingerprint),
          selectorText('x509:root-sha256', path.at(-1)!.fingerprint),
          ...dnsNames.map((name) => selectorText('x509:dns', name)),
          ...uris.map((uri) => selectorText('x509:uri', uri)),
        ]),
      }
    },
  }
}

/** The certificate is that of somebody who may show who they are. */
function checkUse({ basicConstraints, keyUsage, extendedKeyUsage, publicKey }: Certificate): void {
  if (basicConstraints?.ca === true) throw refusedProof('shows a CA certificate')
  if (keyUsage?.digitalSignature === false) throw refusedProof('shows a certificate whose key may not make signatures')
  if (
    extendedKeyUsage !== undefined &&
    !extendedKeyUsage.some((use) => use === oids.clientAuth || use === oids.anyExtendedKeyUsage)
  )
    throw refusedProof('shows a certificate that is not for client authentication')
  if (publicKey.kind === 'rsa' && publicKey.bits < MIN_RSA_BITS)
    throw refusedProof(`shows an RSA key of ${publicKey.bits} bits, less than ${MIN_RSA_BITS}`)
}

/** What is wrong with the chain, under the code of this page's refusals. */
function refusing<T>(check: () => T): T {
  try {
    return check()
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    throw refusedProof(`does not hold: ${thrown.message}`)
  }
}

function refusedProof(why: string): ReturnType<typeof refusedEvidence> {
  return refusedEvidence('X.509 proof', why)
}
