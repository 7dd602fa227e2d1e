import { createHash, createPrivateKey, type KeyObject } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import { parseBundle } from '../../identity/bundle.ts'
import { trustDomainOf } from '../../identity/spiffe-id.ts'
import { loadSvid, validateLeaf } from '../../identity/svid.ts'
import { fromPem, parseCertificate } from '../../identity/x509.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { readSmallFile, type SmallFile, SmallFileError } from '../../lib/small-file.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import type { Credentials } from '../credentials.ts'
import { type CredentialsSource, type SourceEvents, unlessSame } from './source.ts'

/** Names of PEM files. */
export interface IdentityFiles {
  /** Leaf first. */
  readonly certificate: string
  readonly key: string
  /** Roots of the trust domain of the certificate. */
  readonly bundle: string
}

export interface FilesSourceOptions extends SourceEvents {
  readonly files: IdentityFiles
  readonly clock: Clock
  /** A folder is not watched: a change is seen at the next look, `POLL_MS` later at most. */
  readonly onUnwatched: (folder: string, error: unknown) => void
}

/** How long changed files rest before they are read: whoever writes several is not done with the first. */
const SETTLE_MS = 100
/** Not every file system tells of changes. */
const POLL_MS = 10_000
const MAX_FILE_BYTES = 1024 * 1024
const READABLE_BY_OTHERS = 0o004

/**
 * Credentials from PEM files that something else renews, such as cert-manager or spiffe-helper. The three are taken into use together
 * or not at all: a set that is half written or does not verify changes nothing. What is watched are the folders, because
 * a mounted secret is renewed by turning a symbolic link.
 */
export class FilesSource implements CredentialsSource {
  readonly #options: FilesSourceOptions
  readonly #cell: WatchCell<Credentials>
  readonly #watchers: FSWatcher[] = []
  /** What was read last, used or refused: the same again is no news. */
  #seen: string
  #settling: Timer | undefined
  #poll: Timer | undefined
  #sequence = 1

  private constructor(options: FilesSourceOptions, first: Credentials, seen: string) {
    this.#options = options
    this.#cell = new WatchCell(first)
    this.#seen = seen
    for (const folder of new Set(Object.values(options.files).map((file: string) => dirname(file)))) this.#watch(folder)
    this.#pollLater()
  }

  /**
   * Reads the files. Throws `identity-file-unreadable`, `identity-file-too-large`, `identity-key-exposed`,
   * `private-key-malformed`, or what `loadSvid` and `parseBundle` throw.
   */
  static open(options: FilesSourceOptions): FilesSource {
    const { texts, digest } = readAll(options.files)
    return new FilesSource(options, credentialsOf(texts, options.files, 1, options.clock.now()), digest)
  }

  get credentials(): Watch<Credentials> {
    return this.#cell
  }

  close(): void {
    this.#settling?.cancel()
    this.#poll?.cancel()
    for (const watcher of this.#watchers) watcher.close()
  }

  #watch(folder: string): void {
    const { clock, onUnwatched } = this.#options
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        this.#settling?.cancel()
        this.#settling = clock.after(SETTLE_MS, () => this.#look())
      })
      watcher.on('error', (error) => onUnwatched(folder, error))
      this.#watchers.push(watcher)
    } catch (error) {
      onUnwatched(folder, error)
    }
  }

  #pollLater(): void {
    this.#poll = this.#options.clock.after(POLL_MS, () => {
      this.#look()
      this.#pollLater()
    })
  }

  #look(): void {
    const { files, clock, onChanged, onRefused } = this.#options
    try {
      const { texts, digest } = readAll(files)
      if (digest === this.#seen) return
      this.#seen = digest
      const present = this.#cell.current
      const read = credentialsOf(texts, files, this.#sequence + 1, clock.now())
      const next = Object.freeze({ svid: unlessSame(read.svid, present.svid), bundles: read.bundles })
      if (next.svid.id !== present.svid.id) {
        throw new OutriderError('svid-id-unexpected', `the SVID is for ${next.svid.id}; this is ${present.svid.id}`, {
          place: files.certificate,
        })
      }
      this.#sequence += 1
      this.#cell.set(next)
      onChanged(next)
    } catch (error) {
      // What cannot be read fails at every look: it is told once.
      const failure = describeError(error)
      if (error instanceof OutriderError && UNREAD.has(error.code)) {
        if (this.#seen === failure) return
        this.#seen = failure
      }
      onRefused(error)
    }
  }
}

interface Texts {
  readonly certificate: string
  readonly key: string
  readonly bundle: string
}

/** Codes of a file that could not be read: nothing is known of what is in it. */
const UNREAD: ReadonlySet<string> = new Set([
  'identity-file-unreadable',
  'identity-file-too-large',
  'identity-key-exposed',
])

function readAll(files: IdentityFiles): { texts: Texts; digest: string } {
  const texts = {
    certificate: readText(files.certificate),
    key: readText(files.key, 'secret'),
    bundle: readText(files.bundle),
  }
  const hash = createHash('sha256')
  for (const text of Object.values(texts)) hash.update(`${text.length} ${text}`)
  return { texts, digest: hash.digest('hex') }
}

function readText(file: string, kind: 'public' | 'secret' = 'public'): string {
  const { text, mode } = reading(file)
  if (kind === 'secret' && (mode & READABLE_BY_OTHERS) !== 0) {
    throw new OutriderError(
      'identity-key-exposed',
      `${file}: every user of this machine can read the private key: take that right away (chmod o= FILE, or defaultMode 0440 of a Kubernetes volume)`,
      { place: file },
    )
  }
  return text
}

function reading(file: string): SmallFile {
  try {
    return readSmallFile(file, MAX_FILE_BYTES)
  } catch (cause) {
    if (!(cause instanceof SmallFileError)) throw unreadable(file, 'cannot be opened', cause)
    if (cause.kind === 'not-a-file') throw unreadable(file, cause.message)
    throw new OutriderError('identity-file-too-large', `${file}: ${cause.message}`, { place: file })
  }
}

function unreadable(file: string, why: string, cause?: unknown): OutriderError<'identity-file-unreadable'> {
  return new OutriderError('identity-file-unreadable', `${file}: ${why}`, { place: file, source: 'dependency', cause })
}

function credentialsOf(texts: Texts, files: IdentityFiles, sequence: number, nowMs: number): Credentials {
  const chain = at(files.certificate, () => fromPem(texts.certificate))
  const trustDomain = at(files.certificate, () => trustDomainOf(validateLeaf(parseCertificate(chain[0]!))))
  const bundle = at(files.bundle, () => parseBundle({ trustDomain, authorities: fromPem(texts.bundle), sequence }))
  const bundles = new Map([[trustDomain, bundle]])
  const privateKey = privateKeyOf(texts.key, files.key)
  return at(files.certificate, () => Object.freeze({ svid: loadSvid(chain, privateKey, bundles, nowMs), bundles }))
}

function privateKeyOf(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem' })
  } catch {
    // Without the cause: nothing of a key belongs into a log.
    throw new OutriderError(
      'private-key-malformed',
      `${file}: is no PEM private key that OpenSSL reads without a password`,
      {
        place: file,
      },
    )
  }
}

/** Errors of `read` say which file they are about. */
function at<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    throw new OutriderError(thrown.code, `${file}: ${thrown.message}`, { place: file, cause: thrown.cause })
  }
}
