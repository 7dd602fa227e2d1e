import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { Svid } from '../../identity/svid.ts'
import { OutriderError } from '../../lib/errors.ts'

/** What a sealed file is: one is never taken for another. */
export type SealedKind = 'policy' | 'seen'

/** What stands in a sealed file for everybody to read, and for nobody to change. Times by the wall clock. */
export interface SealedHeader {
  readonly spiffeId: SpiffeId
  /** Of the policy. */
  readonly revision: number
  /** When the sidecar was last in step with the control server. */
  readonly syncedAtMs: number
}

export interface Opened {
  readonly header: SealedHeader
  readonly body: Buffer
  /** The authentication tag, hexadecimal: no two files have the same. */
  readonly tag: string
}

/** The identity that a file is sealed for. */
export interface SealingIdentity {
  readonly spiffeId: SpiffeId
  readonly privateKey: KeyObject
  /** SHA-256 of the public key, hexadecimal. */
  readonly keyId: string
}

const VERSION = 1
const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** A SPIFFE ID has up to 2048. */
const MAX_HEADER_BYTES = 4096
/** Largest body, whatever its kind: what one update of the control server may bring. */
export const MAX_BODY_BYTES: number = 64 * 1024 * 1024
/** Largest file. */
export const MAX_FILE_BYTES: number = MAX_BODY_BYTES + 2 * MAX_HEADER_BYTES
/** What is enciphered in one turn of the event loop: some 0.3 ms. */
const SLICE_BYTES = 256 * 1024

/** As it is written: one line of JSON. */
interface WrittenHeader extends SealedHeader {
  readonly keyId: string
  readonly bodyBytes: number
  /** Base64. */
  readonly salt: string
  readonly nonce: string
}

export function sealingIdentity({ id, privateKey }: Pick<Svid, 'id' | 'privateKey'>): SealingIdentity {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  return { spiffeId: id, privateKey, keyId: createHash('sha256').update(spki).digest('hex') }
}

/**
 * Seals `body`: AES-256-GCM (NIST SP 800-38D) with a key of this one file, which HKDF-SHA-256 (RFC 5869) derives from the private key of
 * the identity. Both lines of the header are additional authenticated data. Gives the pieces of the file in their order, and its
 * tag. A large body does not hold up the event loop.
 */
export async function seal(
  kind: SealedKind,
  { revision, syncedAtMs }: Omit<SealedHeader, 'spiffeId'>,
  body: readonly Uint8Array[],
  identity: SealingIdentity,
): Promise<{ pieces: readonly Buffer[]; tag: string }> {
  const salt = randomBytes(SALT_BYTES)
  const nonce = randomBytes(NONCE_BYTES)
  const bodyBytes = body.reduce((sum, { length }) => sum + length, 0)
  const header: WrittenHeader = {
    spiffeId: identity.spiffeId,
    revision,
    syncedAtMs,
    keyId: identity.keyId,
    bodyBytes,
    salt: salt.toString('base64'),
    nonce: nonce.toString('base64'),
  }
  const head = Buffer.from(`${firstLine(kind, VERSION)}\n${JSON.stringify(header)}\n`)
  const cipher = createCipheriv(CIPHER, keyOf(kind, identity, salt), nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(head)
  const pieces: Buffer[] = [head]
  let inTurn = 0
  for (const piece of body) {
    for (let at = 0; at < piece.length; at += SLICE_BYTES) {
      const slice = piece.subarray(at, at + SLICE_BYTES)
      pieces.push(cipher.update(slice))
      inTurn += slice.length
      if (inTurn < SLICE_BYTES) continue
      inTurn = 0
      await turn()
    }
  }
  const tag = (cipher.final(), cipher.getAuthTag())
  return { pieces: [...pieces, tag], tag: tag.toString('hex') }
}

/** SHA-256 of the public key that a file says it is sealed for; undefined where it says nothing that can be read. */
export function keyIdOf(kind: SealedKind, file: Buffer): string | undefined {
  try {
    return split(kind, file).header.keyId
  } catch {
    return undefined
  }
}

/**
 * Opens a sealed file. Nothing of it is given before all of it is authentic. Throws `OutriderError` with `last-good-malformed`,
 * `last-good-version`, `last-good-identity`, `last-good-key`, `last-good-truncated` or `last-good-tampered`.
 */
export function open(kind: SealedKind, file: Buffer, identity: SealingIdentity): Opened {
  const { head, header } = split(kind, file)
  if (header.spiffeId !== identity.spiffeId) {
    throw new OutriderError(
      'last-good-identity',
      `it is sealed for ${header.spiffeId}, and this is ${identity.spiffeId}`,
    )
  }
  if (header.keyId !== identity.keyId) {
    throw new OutriderError('last-good-key', 'it is sealed with another key of this identity')
  }
  const body = file.subarray(head.length)
  const wanted = header.bodyBytes + TAG_BYTES
  if (body.length < wanted) {
    throw new OutriderError('last-good-truncated', `it has ${body.length} of ${wanted} bytes after its header`)
  }
  if (body.length > wanted) throw tampered(`it has ${body.length - wanted} bytes too many`)
  const tag = body.subarray(header.bodyBytes)
  const key = keyOf(kind, identity, Buffer.from(header.salt, 'base64'))
  const decipher = createDecipheriv(CIPHER, key, Buffer.from(header.nonce, 'base64'), { authTagLength: TAG_BYTES })
  decipher.setAAD(head)
  decipher.setAuthTag(tag)
  const plain = decipher.update(body.subarray(0, header.bodyBytes))
  try {
    decipher.final()
  } catch {
    throw tampered('it is not as it was sealed')
  }
  return { header, body: plain, tag: tag.toString('hex') }
}

function tampered(message: string): OutriderError<'last-good-tampered'> {
  return new OutriderError('last-good-tampered', message)
}

function malformed(message: string): OutriderError<'last-good-malformed'> {
  return new OutriderError('last-good-malformed', message)
}

function firstLine(kind: SealedKind, version: number): string {
  return `outrider last-good ${kind} ${version}`
}

/** A key for one file: its salt is its own, so that no nonce is ever used twice with one key. */
function keyOf(kind: SealedKind, { spiffeId, privateKey }: SealingIdentity, salt: Buffer): Buffer {
  // The private value alone: there are several ways to write the rest of the same key.
  const { d } = privateKey.export({ format: 'jwk' })
  if (d === undefined) throw new TypeError('the private key of an SVID has no private value')
  const info = `${firstLine(kind, VERSION)} ${spiffeId}`
  return Buffer.from(hkdfSync('sha256', Buffer.from(d, 'base64url'), salt, info, KEY_BYTES))
}

/** The header in its bytes and as what it says, none of it proved yet. */
function split(kind: SealedKind, file: Buffer): { head: Buffer; header: WrittenHeader } {
  const start = file.toString('latin1', 0, MAX_HEADER_BYTES)
  const first = start.indexOf('\n')
  const second = start.indexOf('\n', first + 1)
  const [, name, version] = /^outrider last-good ([a-z]+) (\d{1,9})$/.exec(start.slice(0, first)) ?? []
  if (first < 0 || name !== kind) throw malformed('it does not begin as a last-good copy does')
  if (version !== String(VERSION)) {
    throw new OutriderError('last-good-version', `it is of format ${version}, and this program reads ${VERSION}`)
  }
  if (second < 0) throw malformed('its header has no end')
  const header = parseHeader(start.slice(first + 1, second))
  if (header === undefined) throw malformed('its header cannot be read')
  return { head: file.subarray(0, second + 1), header }
}

function parseHeader(text: string): WrittenHeader | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return isHeader(value) ? value : undefined
}

function isHeader(value: unknown): value is WrittenHeader {
  if (typeof value !== 'object' || value === null) return false
  const fields: Readonly<Record<string, unknown>> = { ...value }
  const isCount = (name: string): boolean => Number.isSafeInteger(fields[name]) && Number(fields[name]) >= 0
  const hasBytes = (name: string, bytes: number): boolean => {
    const field = fields[name]
    return typeof field === 'string' && Buffer.from(field, 'base64').length === bytes
  }
  return (
    typeof fields['spiffeId'] === 'string' &&
    typeof fields['keyId'] === 'string' &&
    ['revision', 'syncedAtMs', 'bodyBytes'].every(isCount) &&
    Number(fields['bodyBytes']) <= MAX_BODY_BYTES &&
    hasBytes('salt', SALT_BYTES) &&
    hasBytes('nonce', NONCE_BYTES)
  )
}
