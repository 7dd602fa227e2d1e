import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'

/** More than any verifier accepts, so that a longer chain reaches it and is refused by name. */
const LONGEST_CHAIN = 10

/** The certificates that the other end presented, DER, leaf first; empty when it presented none. */
export function presentedChain(socket: TLSSocket): Buffer[] {
  return linkedCertificates(socket.getPeerCertificate(true))
}

/**
 * Follows the issuers of a certificate as Node links them, until one that issued itself.
 * `getPeerX509Certificate` would be cheaper, but on the server's side it has no issuers (Node 24).
 */
export function linkedCertificates(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = []
  let current: DetailedPeerCertificate | undefined = leaf
  // Node gives an empty object in place of "no certificate".
  while (current?.raw !== undefined && chain.length < LONGEST_CHAIN) {
    chain.push(current.raw)
    const issuer: DetailedPeerCertificate | undefined = current.issuerCertificate
    current = issuer === current ? undefined : issuer
  }
  return chain
}
