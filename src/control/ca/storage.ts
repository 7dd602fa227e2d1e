import { createPrivateKey, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Certificate, fromPem, parseCertificate, toPem } from '../../identity/x509.ts'
import { replaceDurably, syncFolder, UNFINISHED, writeDurably } from '../../lib/durable-file.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { readSmallFile, type SmallFile } from '../../lib/small-file.ts'

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

const FOLDER = 'ca'
const INDEX = 'authorities.json'
/** Of one trust domain at a time. */
export const MAX_AUTHORITIES = 8
const MAX_FILE_BYTES = 64 * 1024
const MAX_CHAIN = 4
const OTHERS = 0o077
const AUTHORITY_ID = /^[0-9a-f]{16}$/
const LEFT_BEHIND = /^[0-9a-f]{16}(?:\.unfinished)?$/

/** The index in `dataDir/ca`, or undefined when there is nothing at all. Throws `OutriderError<StorageErrorCode>`. */
export function readIndex(dataDir: string): AuthorityIndex | undefined {
  const folder = join(dataDir, FOLDER)
  if (!existsSync(folder) || readdirSync(folder).length === 0) return undefined
  const path = join(folder, INDEX)
  requireFile(path, folder)
  return readAs(path, 'an index of authorities', indexOf)
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

/** Reads what belongs to one entry of the index. All of it has to be there, and keys have to be ours alone. Throws as `readIndex`. */
export function readAuthority(dataDir: string, { id, keyElsewhere }: AuthorityEntry): StoredAuthority {
  const folder = join(dataDir, FOLDER, id)
  const file = (name: string): string => join(folder, name)
  const names = ['root.pem', ...(keyElsewhere ? [] : ['root.key']), 'signer.pem', 'signer.key', 'jwt.key']
  for (const name of names) requireFile(file(name), join(dataDir, FOLDER))
  return {
    root: readCertificates(file('root.pem'), 1)[0]!,
    rootKey: keyElsewhere ? undefined : readKey(file('root.key')),
    signers: readCertificates(file('signer.pem'), MAX_CHAIN),
    signingKey: readKey(file('signer.key')),
    jwtKey: readKey(file('jwt.key')),
  }
}

function requireFile(path: string, folder: string): void {
  if (existsSync(path)) return
  throw new OutriderError('ca-file-missing', `${path} is missing: restore it, or move ${folder} away for a new CA`, {
    place: path,
  })
}

function readCertificates(path: string, most: number): readonly Certificate[] {
  return readAs(path, most === 1 ? 'a certificate' : 'a chain of certificates', (text) => {
    const ders = fromPem(text)
    if (ders.length === 0 || ders.length > most) throw new Error(`has ${ders.length} certificates, not 1 to ${most}`)
    return ders.map(parseCertificate)
  })
}

function readKey(path: string): KeyObject {
  return readAs(path, 'a private key', (text, mode) => {
    if ((mode & OTHERS) !== 0)
      throw new OutriderError(
        'ca-key-exposed',
        `${path} can be used by others (mode ${(mode & 0o777).toString(8)}): chmod 600 it if the key is still secret`,
        { place: path },
      )
    return createPrivateKey(text)
  })
}

function readAs<T>(path: string, what: string, parse: (text: string, mode: number) => T): T {
  let file: SmallFile
  try {
    file = readSmallFile(path, MAX_FILE_BYTES)
  } catch (cause) {
    throw new OutriderError('ca-file-unreadable', `${path} cannot be read: ${describeError(cause)}`, { place: path })
  }
  try {
    return parse(file.text, file.mode)
  } catch (thrown) {
    if (thrown instanceof OutriderError && thrown.code === 'ca-key-exposed') throw thrown
    throw new OutriderError('ca-file-corrupt', `${path} is not ${what}: ${describeError(thrown)}`, { place: path })
  }
}

/** Writes a CA with its first authority: all of it appears at once. Throws `ca-write-failed`. */
export function writeFirst(dataDir: string, authority: StoredAuthority, index: AuthorityIndex): void {
  const unfinished = join(dataDir, `${FOLDER}${UNFINISHED}`)
  writing(dataDir, () => {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    rmSync(unfinished, { recursive: true, force: true })
    mkdirSync(unfinished, { mode: 0o700 })
    writeFolder(unfinished, index.authorities[0]!.id, authority)
    writeDurably(join(unfinished, INDEX), indexText(index))
    syncFolder(unfinished)
    // Fails when a folder with files is there.
    renameSync(unfinished, join(dataDir, FOLDER))
    syncFolder(dataDir)
  })
}

/** Writes the folder of one more authority, which counts when the index names it. Throws `ca-write-failed`. */
export function writeAuthority(dataDir: string, id: string, authority: StoredAuthority): void {
  const folder = join(dataDir, FOLDER)
  writing(folder, () => {
    const unfinished = `${id}${UNFINISHED}`
    for (const leftBehind of [id, unfinished]) rmSync(join(folder, leftBehind), { recursive: true, force: true })
    writeFolder(folder, unfinished, authority)
    renameSync(join(folder, unfinished), join(folder, id))
    syncFolder(folder)
  })
}

function writeFolder(
  folder: string,
  name: string,
  { root, rootKey, signers, signingKey, jwtKey }: StoredAuthority,
): void {
  const place = join(folder, name)
  mkdirSync(place, { mode: 0o700 })
  writeDurably(join(place, 'root.pem'), toPem([root.der]))
  if (rootKey !== undefined) writeDurably(join(place, 'root.key'), keyPem(rootKey))
  writeDurably(join(place, 'signer.pem'), toPem(signers.map(({ der }) => der)))
  writeDurably(join(place, 'signer.key'), keyPem(signingKey))
  writeDurably(join(place, 'jwt.key'), keyPem(jwtKey))
  syncFolder(place)
}

/** From here on the CA is what `index` says. Throws `ca-write-failed`. */
export function writeIndex(dataDir: string, index: AuthorityIndex): void {
  replaceFile(join(dataDir, FOLDER), INDEX, indexText(index))
}

function indexText(index: AuthorityIndex): string {
  return `${JSON.stringify(index, undefined, 2)}\n`
}

/** Puts a renewed certificate in the place of the signer's, whose key stays. Throws `ca-write-failed`. */
export function replaceSigners(dataDir: string, id: string, signers: readonly Certificate[]): void {
  replaceFile(join(dataDir, FOLDER, id), 'signer.pem', toPem(signers.map(({ der }) => der)))
}

/** Destroys the keys of authorities that the index does not name. Throws `ca-write-failed`. */
export function removeUnnamed(dataDir: string, { authorities }: AuthorityIndex): void {
  const folder = join(dataDir, FOLDER)
  const named = new Set(authorities.map(({ id }) => id))
  writing(folder, () => {
    for (const name of readdirSync(folder)) {
      if (LEFT_BEHIND.test(name) && !named.has(name)) rmSync(join(folder, name), { recursive: true, force: true })
    }
  })
}

function replaceFile(folder: string, name: string, content: string): void {
  const path = join(folder, name)
  writing(path, () => replaceDurably(path, content))
}

function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function writing(path: string, write: () => void): void {
  try {
    write()
  } catch (cause) {
    throw new OutriderError('ca-write-failed', `the CA cannot be written to ${path}: ${describeError(cause)}`, {
      place: path,
      source: 'dependency',
    })
  }
}
