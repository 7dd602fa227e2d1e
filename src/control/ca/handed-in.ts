import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { TrustDomain } from '../../identity/spiffe-id.ts'
import { type Certificate, fromPem, parseCertificate } from '../../identity/x509.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { readSmallFile } from '../../lib/small-file.ts'
import { type Authority, newJwtKey, opened, underRoot } from './authority.ts'

/** A CA of someone's own, PEM. */
export interface HandedIn {
  /** The CA certificate that `key` belongs to, then those above it, with or without the root. */
  readonly certificates: string
  /** PKCS#8 or SEC1, P-256 or P-384, not encrypted. */
  readonly key: string
}

/** The largest file of a CA that is read. */
const MAX_FILE_BYTES = 64 * 1024

/** Reads a CA from its files. Throws `ca-file-unreadable`. */
export function readHandedIn(certificatesFile: string, keyFile: string): HandedIn {
  return { certificates: readText(certificatesFile), key: readText(keyFile) }
}

function readText(path: string): string {
  try {
    return readSmallFile(path, MAX_FILE_BYTES).text
  } catch (cause) {
    throw new OutriderError('ca-file-unreadable', `${path} cannot be read: ${describeError(cause)}`, { place: path })
  }
}

/** What signs, what is between it and the root, and the root. */
const MAX_CERTIFICATES = 4

/**
 * The authority that was handed in. A root with its key gets an intermediate of ours; an intermediate signs leaves itself, and its root's key
 * stays where it is. Throws `OutriderError<AuthorityErrorCode>`: `ca-material` when it cannot be read.
 */
export function handedIn({ certificates, key }: HandedIn, trustDomain: TrustDomain, nowMs: number): Authority {
  const chain = readChain(certificates)
  const signingKey = readKey(key)
  const [first, root] = [chain[0]!, chain.at(-1)!]
  if (!root.subject.equals(root.issuer))
    throw unreadable('the last certificate is no root: put the root after the certificates that it signed')
  if (chain.length > 1)
    return opened(
      { root, rootKey: undefined, signers: chain.slice(0, -1), signingKey, jwtKey: newJwtKey() },
      trustDomain,
      nowMs,
    )
  if (!createPublicKey(signingKey).equals(first.publicKey.key))
    throw new OutriderError('ca-key-mismatch', 'the key is not the private key of the root certificate')
  return underRoot({ certificate: root, privateKey: signingKey }, trustDomain, nowMs)
}

function readChain(pem: string): readonly Certificate[] {
  const chain = reading('certificates', () => fromPem(pem).map(parseCertificate))
  if (chain.length === 0 || chain.length > MAX_CERTIFICATES)
    throw unreadable(`there are ${chain.length} certificates, a CA has 1 to ${MAX_CERTIFICATES}`)
  return chain
}

function readKey(pem: string): KeyObject {
  return reading('key', () => createPrivateKey(pem))
}

function reading<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    throw unreadable(`the ${what} cannot be read: ${describeError(thrown)}`)
  }
}

function unreadable(message: string): OutriderError<'ca-material'> {
  return new OutriderError('ca-material', message)
}
