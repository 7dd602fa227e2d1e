import type { TrustBundleSet } from './bundle.ts'
import { type Certificate, isEmptyName, parseCertificate } from './x509.ts'

/** What a peer showed, as far as it can be read: for people. Nothing of it is believed, nothing is decided by it. */
export interface Presented {
  /** URI names of the leaf: a SPIFFE ID where all is well. Escaped and cut. */
  readonly ids: readonly string[]
  /** Hexadecimal. */
  readonly serial: string
  /** SHA-256 of the leaf, hexadecimal. */
  readonly fingerprint: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Certificates in the chain, the leaf among them. */
  readonly certificates: number
  /** Key identifier of the issuer that the last certificate names, hexadecimal. */
  readonly issuerKeyId?: string
  /** SHA-256 of the root, hexadecimal, where the peer showed one. */
  readonly rootFingerprint?: string
}

const MAX_IDS = 2
const MAX_ID_LENGTH = 256
/** Of roots and of trust domains that are listed. */
const MAX_LISTED = 4
const MAX_KEY_ID_BYTES = 20
/** Of a SHA-256 in a list, in hexadecimal digits: enough to find it. */
const SHORT_FINGERPRINT = 16

/** Describes a chain, DER, leaf first. Undefined where the leaf cannot be read. Never throws. */
export function describePresented(chain: readonly Uint8Array[]): Presented | undefined {
  const leaf = readable(chain[0])
  if (leaf === undefined) return undefined
  const last = chain.length === 1 ? leaf : readable(chain.at(-1))
  const isRoot = last !== undefined && !isEmptyName(last.subject) && last.subject.equals(last.issuer)
  const issuerKeyId = keyIdText(last?.authorityKeyId)
  return {
    ids: (leaf.altNames?.uris ?? []).slice(0, MAX_IDS).map(printable),
    serial: leaf.serial,
    fingerprint: leaf.fingerprint,
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: leaf.notAfterMs,
    certificates: chain.length,
    ...(issuerKeyId === undefined ? {} : { issuerKeyId }),
    ...(isRoot ? { rootFingerprint: last.fingerprint } : {}),
  }
}

/**
 * What a chain for `trustDomain` would have to end at: the roots that are known, or the trust domains where this one is not.
 * For our own log: the peer is not told.
 */
export function expectedRoots(presented: Presented | undefined, bundles: TrustBundleSet): string {
  const [, trustDomain = ''] = /^spiffe:\/\/([^/]*)/.exec(presented?.ids[0] ?? '') ?? []
  const bundle = [...bundles.values()].find((each) => each.trustDomain === trustDomain)
  if (bundle === undefined) return `one of the trust domains ${listed([...bundles.keys()])}`
  const roots = bundle.authorities.map(({ fingerprint, subjectKeyId }) => {
    const keyId = keyIdText(subjectKeyId)
    return `${fingerprint.slice(0, SHORT_FINGERPRINT)}${keyId === undefined ? '' : ` (key ${keyId})`}`
  })
  return `one of the roots of ${trustDomain}: ${listed(roots)}`
}

/** At most four of them, and how many there are beside. */
export function listed(items: readonly string[]): string {
  if (items.length === 0) return 'none'
  const shown = items.slice(0, MAX_LISTED).join(', ')
  return items.length > MAX_LISTED ? `${shown} and ${items.length - MAX_LISTED} more` : shown
}

function readable(der: Uint8Array | undefined): Certificate | undefined {
  if (der === undefined) return undefined
  try {
    return parseCertificate(der)
  } catch {
    return undefined
  }
}

function keyIdText(keyId: Buffer | undefined): string | undefined {
  return keyId?.toString('hex', 0, MAX_KEY_ID_BYTES)
}

function printable(text: string): string {
  return text.slice(0, MAX_ID_LENGTH).replaceAll(/[^ -~]/g, '?')
}
