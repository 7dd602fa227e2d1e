import { hash } from 'node:crypto'
import {
  bitString,
  boolean,
  context,
  contextConstructed,
  decode,
  dotted,
  type Element,
  encode,
  Fields,
  malformed,
  oid,
  sequence,
  tags,
  unsigned,
} from './asn1.ts'

/** Content octets of id-ce (2.5.29.x) and id-kp (1.3.6.1.5.5.7.3.x) identifiers, hexadecimal. */
export const oids = {
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  authorityKeyIdentifier: '551d23',
  policyConstraints: '551d24',
  extendedKeyUsage: '551d25',
  anyExtendedKeyUsage: '551d2500',
  inhibitAnyPolicy: '551d36',
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
} as const

export interface BasicConstraints {
  readonly critical: boolean
  readonly ca: boolean
  readonly pathLength: number | undefined
}

export interface KeyUsage {
  readonly critical: boolean
  readonly digitalSignature: boolean
  readonly keyCertSign: boolean
  readonly crlSign: boolean
}

export interface AltNames {
  readonly critical: boolean
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  /** How many names of other kinds there are. */
  readonly others: number
}

export interface Subtrees {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
}

export interface NameConstraints {
  readonly permitted: Subtrees
  readonly excluded: Subtrees
  /** A constraint that is not checked here is there: nothing below may be trusted. */
  readonly unsupported: boolean
}

/** The extensions of a certificate that Outrider knows (RFC 5280, 4.2.1). */
export interface Extensions {
  readonly basicConstraints?: BasicConstraints
  readonly keyUsage?: KeyUsage
  /** Hexadecimal object identifiers. */
  readonly extendedKeyUsage?: readonly string[]
  readonly altNames?: AltNames
  readonly nameConstraints?: NameConstraints
  readonly subjectKeyId?: Buffer
  readonly authorityKeyId?: Buffer
  /** Dotted object identifiers of critical extensions that are not among the above. */
  readonly unknownCritical: readonly string[]
}

export interface RawExtension {
  /** Content octets of its identifier, hexadecimal. */
  readonly oid: string
  readonly critical: boolean
  /** What the octet string holds. */
  readonly value: Buffer
}

/** Reads `Extensions ::= SEQUENCE OF Extension`; none is there twice. Throws `OutriderError<DerErrorCode>`. */
export function readRawExtensions(list: Element): RawExtension[] {
  const fields = new Fields(list, tags.sequence, 'list of extensions')
  const read: RawExtension[] = []
  while (fields.more) {
    const extension = new Fields(fields.any('an extension'), tags.sequence, 'extension')
    const id = extension.take(tags.oid, 'identifier').content
    const flag = extension.optional(tags.boolean)
    if (flag?.content[0] === 0) throw malformed('spells out that an extension is not critical, which is the default')
    const value = extension.take(tags.octetString, 'value').content
    extension.end()
    const oid = id.toString('hex')
    if (read.some((other) => other.oid === oid)) throw malformed(`has the extension ${dotted(id)} twice`)
    read.push({ oid, critical: flag !== undefined, value })
  }
  if (read.length === 0) throw malformed('has an empty list of extensions')
  return read
}

type Known = Omit<Extensions, 'unknownCritical'>

type Reader = (value: Element, critical: boolean) => Known

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  [oids.basicConstraints, (value, critical) => ({ basicConstraints: readBasicConstraints(value, critical) })],
  [oids.keyUsage, (value, critical) => ({ keyUsage: readKeyUsage(value, critical) })],
  [oids.extendedKeyUsage, (value) => ({ extendedKeyUsage: readExtendedKeyUsage(value) })],
  [oids.subjectAltName, (value, critical) => ({ altNames: readAltNames(value, critical) })],
  [oids.nameConstraints, (value, critical) => ({ nameConstraints: readNameConstraints(value, critical) })],
  [oids.subjectKeyIdentifier, (value, critical) => ({ subjectKeyId: readSubjectKeyId(value, critical) })],
  [oids.authorityKeyIdentifier, (value, critical) => readAuthorityKeyId(value, critical)],
])

/** Constraints on certificate policies, which are always critical (RFC 5280, 4.2.1.11 and 4.2.1.14) and not checked here. */
const alwaysCritical: ReadonlySet<string> = new Set([oids.policyConstraints, oids.inhibitAnyPolicy])

/** Throws `OutriderError<DerErrorCode>`. */
export function readExtensions(list: Element): Extensions {
  let known: Known = {}
  const unknownCritical: string[] = []
  for (const { oid, critical, value } of readRawExtensions(list)) {
    const read = readers.get(oid)
    if (read !== undefined) known = { ...known, ...read(decode(value, value.length), critical) }
    else if (critical || alwaysCritical.has(oid)) unknownCritical.push(dotted(Buffer.from(oid, 'hex')))
  }
  // RFC 5280, 4.2.1.10
  if (known.nameConstraints !== undefined && known.basicConstraints?.ca !== true)
    throw malformed('has name constraints although it is not a CA')
  return { ...known, unknownCritical }
}

function readBasicConstraints(value: Element, critical: boolean): BasicConstraints {
  const fields = new Fields(value, tags.sequence, 'basic constraints')
  const flag = fields.optional(tags.boolean)
  if (flag?.content[0] === 0) throw malformed('spells out that it is not a CA, which is the default')
  const length = fields.optional(tags.integer)?.content
  fields.end()
  if (length !== undefined && (flag === undefined || length.length > 1 || length[0]! > 0x7f))
    throw malformed('has a path length that is out of range or not of a CA')
  return { critical, ca: flag !== undefined, pathLength: length?.[0] }
}

function readKeyUsage(value: Element, critical: boolean): KeyUsage {
  if (value.tag !== tags.bitString) throw malformed('has a bad key usage')
  const [unused = 0, first = 0] = value.content
  const last = value.content.at(-1) ?? 0
  // A named bit list ends with its last one bit (X.690, 11.2.2), and at least one is set (RFC 5280, 4.2.1.3).
  if (value.content.length < 2 || ((last >> unused) & 1) === 0) throw malformed('has a key usage with padding')
  return {
    critical,
    digitalSignature: (first & 0x80) !== 0,
    keyCertSign: (first & 0x04) !== 0,
    crlSign: (first & 0x02) !== 0,
  }
}

function readExtendedKeyUsage(value: Element): string[] {
  const fields = new Fields(value, tags.sequence, 'extended key usage')
  const uses: string[] = []
  while (fields.more) uses.push(fields.take(tags.oid, 'purpose').content.toString('hex'))
  if (uses.length === 0) throw malformed('has an empty extended key usage')
  return uses
}

const DNS_NAME = 2
const URI = 6
const LAST_GENERAL_NAME = 8

/** Text of an IA5String. */
function ascii(content: Buffer): string {
  if (content.some((byte) => byte > 0x7f)) throw malformed('has a name that is not ASCII')
  return content.toString('latin1')
}

function dnsName(content: Buffer): string {
  const name = ascii(content)
  if (!/^[A-Za-z0-9_*-]+(?:\.[A-Za-z0-9_*-]+)*$/.test(name)) throw malformed('has a DNS name that is none')
  return name.toLowerCase()
}

function readAltNames(value: Element, critical: boolean): AltNames {
  const fields = new Fields(value, tags.sequence, 'subject alternative name')
  const uris: string[] = []
  const dnsNames: string[] = []
  let others = 0
  while (fields.more) {
    const name = fields.any('a name')
    if (name.tag === context(URI)) uris.push(ascii(name.content))
    else if (name.tag === context(DNS_NAME)) dnsNames.push(dnsName(name.content))
    else if ((name.tag & 0xc0) === 0x80 && (name.tag & 0x1f) <= LAST_GENERAL_NAME) others += 1
    else throw malformed('has a name of a kind that does not exist')
  }
  if (uris.length + dnsNames.length + others === 0) throw malformed('has an empty subject alternative name')
  return { critical, uris, dnsNames, others }
}

function readNameConstraints(value: Element, critical: boolean): NameConstraints {
  // RFC 5280, 4.2.1.10: who does not know them has to stop there.
  if (!critical) throw malformed('has name constraints that are not critical')
  const fields = new Fields(value, tags.sequence, 'name constraints')
  const permitted = fields.optional(contextConstructed(0))
  const excluded = fields.optional(contextConstructed(1))
  fields.end()
  if (permitted === undefined && excluded === undefined) throw malformed('has empty name constraints')
  const read = { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) }
  return { ...read, unsupported: read.permitted.unsupported || read.excluded.unsupported }
}

function readSubtrees(list: Element | undefined): Subtrees & { unsupported: boolean } {
  const uris: string[] = []
  const dnsNames: string[] = []
  let unsupported = false
  if (list === undefined) return { uris, dnsNames, unsupported }
  if (list.children.length === 0) throw malformed('has an empty list of name constraints')
  for (const subtree of list.children) {
    const [base, ...range] = subtree.children
    if (subtree.tag !== tags.sequence || base === undefined) throw malformed('has a bad name constraint')
    const host = base.tag === context(URI) || base.tag === context(DNS_NAME) ? ascii(base.content).toLowerCase() : ''
    const form = base.tag === context(URI) ? /^\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/ : /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/
    // Minimum and maximum are not used (RFC 5280, 4.2.1.10).
    if (range.length > 0 || !form.test(host)) unsupported = true
    else (base.tag === context(URI) ? uris : dnsNames).push(host)
  }
  return { uris, dnsNames, unsupported }
}

function readSubjectKeyId(value: Element, critical: boolean): Buffer {
  // RFC 5280, 4.2.1.1 and 4.2.1.2, of both identifiers.
  if (critical) throw malformed('has a critical subject key identifier')
  if (value.tag !== tags.octetString) throw malformed('has a bad subject key identifier')
  return value.content
}

function readAuthorityKeyId(value: Element, critical: boolean): Known {
  if (critical) throw malformed('has a critical authority key identifier')
  const fields = new Fields(value, tags.sequence, 'authority key identifier')
  const keyId = fields.optional(context(0))?.content
  fields.optional(contextConstructed(1))
  fields.optional(context(2))
  fields.end()
  return keyId === undefined ? {} : { authorityKeyId: keyId }
}

/** An encoded extension. */
export function extension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), encode(tags.octetString, value))
}

/** For a CA, critical as RFC 5280, 4.2.1.9 wants it; for a leaf the empty form. */
export function basicConstraints(limits: { ca: boolean; pathLength?: number }): Buffer {
  const length = limits.pathLength === undefined ? [] : [unsigned(Buffer.of(limits.pathLength))]
  return extension(oids.basicConstraints, true, sequence(...(limits.ca ? [boolean(true)] : []), ...length))
}

/** Bits of the first octet of a key usage (RFC 5280, 4.2.1.3). */
export const keyUsageBits = { digitalSignature: 0x80, keyCertSign: 0x04, crlSign: 0x02 } as const

export function keyUsage(bits: number): Buffer {
  return extension(oids.keyUsage, true, bitString(Buffer.of(bits), 31 - Math.clz32(bits & -bits)))
}

export function extendedKeyUsage(purposes: readonly string[]): Buffer {
  return extension(oids.extendedKeyUsage, false, sequence(...purposes.map(oid)))
}

export function uriAltNames(uris: readonly string[], critical: boolean, dnsNames: readonly string[] = []): Buffer {
  return extension(
    oids.subjectAltName,
    critical,
    sequence(
      ...uris.map((uri) => encode(context(URI), Buffer.from(uri))),
      ...dnsNames.map((name) => encode(context(DNS_NAME), Buffer.from(name))),
    ),
  )
}

/** The first 160 bits of SHA-256 over the key bits of a SubjectPublicKeyInfo (RFC 7093, 2). */
export function keyIdOf(spki: Element): Buffer {
  const bits = spki.children[1]
  if (bits === undefined) throw malformed('has no key in its public key')
  return hash('sha256', bits.content.subarray(1), 'buffer').subarray(0, 20)
}

export function subjectKeyIdentifier(keyId: Uint8Array): Buffer {
  return extension(oids.subjectKeyIdentifier, false, encode(tags.octetString, keyId))
}

export function authorityKeyIdentifier(keyId: Uint8Array): Buffer {
  return extension(oids.authorityKeyIdentifier, false, sequence(encode(context(0), keyId)))
}
