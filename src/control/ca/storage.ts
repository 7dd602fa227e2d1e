import { createPrivateKey, type KeyObject } from 'node:crypto'
import { type Certificate, fromPem, parseCertificate, toPem } from '../../identity/x509.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'

/** One root and what signs under it, as it is kept. */
export interface StoredAuthority {
  readonly root: Certificate
  /** Absent where only an intermediate was handed in. */
  readonly rootKey: KeyObject | undefined
  /** What signs leaves, then the certificates between it and the root. */
  readonly signers: readonly Certificate[]
  readonly signingKey: KeyObject
  /** Signs JWT-SVIDs. P-256. */
  readonly jwtKey: KeyObject
}

export const authorityStates = ['prepared', 'active', 'retired', 'tainted'] as const
/**
 * `prepared`: believed, and signs nothing yet; `active`: signs; `retired`: believed, and signs no more; `tainted`: believed, and to be used
 * by nobody.
 */
export type AuthorityState = (typeof authorityStates)[number]

export interface AuthorityEntry {
  /** Names its folder: the start of the root's SHA-256, hexadecimal. */
  readonly id: string
  readonly state: AuthorityState
  /** When it came into this state. */
  readonly sinceMs: number
  /** The root's private key was never given to us: without this note a lost one would look the same. */
  readonly keyElsewhere: boolean
}

/** Which authorities there are, in the order in which they came. */
export interface AuthorityIndex {
  /** Of the trust bundle. */
  readonly sequence: number
  readonly authorities: readonly AuthorityEntry[]
}

export type StorageErrorCode =
  | 'ca-file-missing'
  | 'ca-file-unreadable'
  | 'ca-file-corrupt'
  | 'ca-key-exposed'
  | 'ca-write-failed'

/**
 * Where the texts of one CA are kept. What reads throws `OutriderError<StorageErrorCode>`, what writes `ca-write-failed`; each write counts
 * as a whole or not at all.
 */
export interface AuthorityStorage {
  /** Undefined when there is nothing at all: a part of a CA is an error. */
  readIndex(): AuthorityIndex | undefined
  /** All that belongs to one entry of the index. */
  readAuthority(entry: AuthorityEntry): StoredAuthority
  /** A CA with its first authority: all of it appears at once. */
  writeFirst(authority: StoredAuthority, index: AuthorityIndex): void
  /** One more authority, which counts when the index names it. */
  writeAuthority(id: string, authority: StoredAuthority): void
  /** From here on the CA is what `index` says. */
  writeIndex(index: AuthorityIndex): void
  /** Puts a renewed certificate in the place of the signer's, whose key stays. */
  replaceSigners(id: string, signers: readonly Certificate[]): void
  /** Destroys the keys of authorities that the index does not name. */
  removeUnnamed(index: AuthorityIndex): void
}

/** One text, and what an error calls it. */
export interface PlacedText {
  readonly text: string
  readonly place: string
}

/** The name of the index among the texts of a CA. */
export const INDEX: string = 'authorities.json'
/** The name of the certificates that a renewal replaces. */
export const SIGNERS: string = 'signer.pem'
/** Of one trust domain at a time. */
export const MAX_AUTHORITIES = 8
/** The longest text of a CA. */
export const MAX_TEXT_BYTES: number = 64 * 1024
const MAX_CHAIN = 4
const AUTHORITY_ID = /^[0-9a-f]{16}$/

/** Reads the index of a CA. Throws `ca-file-corrupt`. */
export function parseIndex(source: PlacedText): AuthorityIndex {
  return parsed(source, 'an index of authorities', indexOf)
}

function indexOf(text: string): AuthorityIndex {
  const { sequence, authorities } = membersOf(JSON.parse(text))
  if (!isCount(sequence) || !Array.isArray(authorities)) throw new Error('it has no sequence, or no authorities')
  if (authorities.length > MAX_AUTHORITIES)
    throw new Error(`it has ${authorities.length} authorities, at most ${MAX_AUTHORITIES}`)
  const entries = authorities.map(entryOf)
  if (new Set(entries.map(({ id }) => id)).size < entries.length) throw new Error('it names an authority twice')
  if (entries.filter(({ state }) => state === 'active').length !== 1) throw new Error('not one authority is active')
  return { sequence, authorities: entries }
}

function entryOf(value: unknown): AuthorityEntry {
  const { id, state: stated, sinceMs, keyElsewhere } = membersOf(value)
  const state = authorityStates.find((known) => known === stated)
  if (typeof id !== 'string' || !AUTHORITY_ID.test(id) || state === undefined || !isCount(sinceMs))
    throw new Error('an authority has no id, no state or no time')
  return { id, state, sinceMs, keyElsewhere: keyElsewhere === true }
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new Error('it is no object')
  return { ...value }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/**
 * Puts an authority together from its texts, all of which have to be there. Throws `ca-file-corrupt`, and what `read` throws for a text that
 * is missing.
 */
export function parseAuthority({ keyElsewhere }: AuthorityEntry, read: (name: string) => PlacedText): StoredAuthority {
  return {
    root: readCertificates(read('root.pem'), 1)[0]!,
    rootKey: keyElsewhere ? undefined : readKey(read('root.key')),
    signers: readCertificates(read(SIGNERS), MAX_CHAIN),
    signingKey: readKey(read('signer.key')),
    jwtKey: readKey(read('jwt.key')),
  }
}

function readCertificates(source: PlacedText, most: number): readonly Certificate[] {
  return parsed(source, most === 1 ? 'a certificate' : 'a chain of certificates', (text) => {
    const ders = fromPem(text)
    if (ders.length === 0 || ders.length > most) throw new Error(`has ${ders.length} certificates, not 1 to ${most}`)
    return ders.map(parseCertificate)
  })
}

function readKey(source: PlacedText): KeyObject {
  return parsed(source, 'a private key', (text) => createPrivateKey(text))
}

function parsed<T>({ text, place }: PlacedText, what: string, parse: (text: string) => T): T {
  try {
    return parse(text)
  } catch (thrown) {
    throw new OutriderError('ca-file-corrupt', `${place} is not ${what}: ${describeError(thrown)}`, { place })
  }
}

/** The text of the index. */
export function indexText(index: AuthorityIndex): string {
  return `${JSON.stringify(index, undefined, 2)}\n`
}

/** The texts of an authority by their names, which `parseAuthority` reads. */
export function authorityTexts({
  root,
  rootKey,
  signers,
  signingKey,
  jwtKey,
}: StoredAuthority): Readonly<Record<string, string>> {
  return {
    'root.pem': toPem([root.der]),
    ...(rootKey === undefined ? {} : { 'root.key': keyPem(rootKey) }),
    [SIGNERS]: signersText(signers),
    'signer.key': keyPem(signingKey),
    'jwt.key': keyPem(jwtKey),
  }
}

/** The text of what signs leaves, and of what is between it and the root. */
export function signersText(signers: readonly Certificate[]): string {
  return toPem(signers.map(({ der }) => der))
}

function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}
