import { createPrivateKey, type KeyObject } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Certificate, fromPem, parseCertificate, toPem } from '../../identity/x509.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'

/** A CA certificate with its private key. */
export interface Credential {
  readonly certificate: Certificate
  readonly privateKey: KeyObject
}

export interface StoredAuthority {
  readonly root: Credential
  readonly intermediate: Credential
}

export type StorageErrorCode =
  | 'ca-file-missing'
  | 'ca-file-unreadable'
  | 'ca-file-corrupt'
  | 'ca-key-exposed'
  | 'ca-write-failed'

const FOLDER = 'ca'
/** Left by a start that was cut short; what it holds was never used. */
const UNFINISHED = 'ca.unfinished'
const names = ['root.pem', 'root.key', 'intermediate.pem', 'intermediate.key'] as const
const MAX_FILE_BYTES = 64 * 1024
const OTHERS = 0o077

/**
 * What is kept in `dataDir/ca`, or undefined when nothing is. As soon as one file is there all have to be, and keys
 * have to be ours alone. Throws `OutriderError<StorageErrorCode>`.
 */
export function readAuthority(dataDir: string): StoredAuthority | undefined {
  const folder = join(dataDir, FOLDER)
  if (!existsSync(folder) || readdirSync(folder).length === 0) return undefined
  for (const name of names) {
    const path = join(folder, name)
    if (!existsSync(path))
      throw new OutriderError(
        'ca-file-missing',
        `${path} is missing: restore it, or move ${folder} away for a new CA`,
        {
          place: path,
        },
      )
  }
  return {
    root: readCredential(join(folder, 'root.pem'), join(folder, 'root.key')),
    intermediate: readCredential(join(folder, 'intermediate.pem'), join(folder, 'intermediate.key')),
  }
}

function readCredential(certificatePath: string, keyPath: string): Credential {
  const certificate = readAs(certificatePath, 'a certificate', (text) => {
    const [der, ...more] = fromPem(text)
    if (der === undefined || more.length > 0) throw new Error('has not exactly one certificate')
    return parseCertificate(der)
  })
  const privateKey = readAs(keyPath, 'a private key', (text, mode) => {
    if ((mode & OTHERS) !== 0)
      throw new OutriderError(
        'ca-key-exposed',
        `${keyPath} can be used by others (mode ${(mode & 0o777).toString(8)}): chmod 600 it if the key is still secret`,
        { place: keyPath },
      )
    return createPrivateKey(text)
  })
  return { certificate, privateKey }
}

/** Mode and content are taken from one open file, so that they are of the same file. */
function readAs<T>(path: string, what: string, parse: (text: string, mode: number) => T): T {
  let text: string
  let mode: number
  try {
    const file = openSync(path, 'r')
    try {
      const stat = fstatSync(file)
      if (!stat.isFile() || stat.size > MAX_FILE_BYTES) throw new Error(`not a file of at most ${MAX_FILE_BYTES} bytes`)
      mode = stat.mode
      text = readFileSync(file, 'utf8')
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw new OutriderError('ca-file-unreadable', `${path} cannot be read: ${describeError(cause)}`, { place: path })
  }
  try {
    return parse(text, mode)
  } catch (thrown) {
    if (thrown instanceof OutriderError && thrown.code === 'ca-key-exposed') throw thrown
    throw new OutriderError('ca-file-corrupt', `${path} is not ${what}: ${describeError(thrown)}`, { place: path })
  }
}

/**
 * Writes a new CA. All of it appears at once, by the rename of its folder, which fails when one with files is there.
 * Throws `OutriderError` with `ca-write-failed`.
 */
export function writeAuthority(dataDir: string, authority: StoredAuthority): void {
  const unfinished = join(dataDir, UNFINISHED)
  writing(dataDir, () => {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    rmSync(unfinished, { recursive: true, force: true })
    mkdirSync(unfinished, { mode: 0o700 })
    for (const [name, credential] of Object.entries<Credential>({ ...authority })) {
      writeDurably(join(unfinished, `${name}.pem`), toPem([credential.certificate.der]))
      writeDurably(join(unfinished, `${name}.key`), credential.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    }
    syncFolder(unfinished)
    renameSync(unfinished, join(dataDir, FOLDER))
    syncFolder(dataDir)
  })
}

/** Puts a renewed certificate in the place of the intermediate's, whose key stays. Throws as `writeAuthority`. */
export function replaceIntermediate(dataDir: string, certificate: Certificate): void {
  const folder = join(dataDir, FOLDER)
  const path = join(folder, 'intermediate.pem')
  writing(path, () => {
    const unfinished = `${path}.unfinished`
    rmSync(unfinished, { force: true })
    writeDurably(unfinished, toPem([certificate.der]))
    renameSync(unfinished, path)
    syncFolder(folder)
  })
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

function writeDurably(path: string, content: string | Buffer): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    writeFileSync(file, content)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** A rename is on disk only when the folder is. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
