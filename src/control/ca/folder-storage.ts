import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Certificate } from '../../identity/x509.ts'
import { replaceDurably, syncFolder, UNFINISHED, writeDurably } from '../../lib/durable-file.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { readSmallFile, type SmallFile } from '../../lib/small-file.ts'
import {
  type AuthorityEntry,
  type AuthorityIndex,
  type AuthorityStorage,
  authorityTexts,
  INDEX,
  indexText,
  MAX_TEXT_BYTES,
  parseAuthority,
  parseIndex,
  type PlacedText,
  SIGNERS,
  signersText,
  type StoredAuthority,
} from './storage.ts'

const FOLDER = 'ca'
const OTHERS = 0o077
const KEY = /\.key$/
const LEFT_BEHIND = /^[0-9a-f]{16}(?:\.unfinished)?$/

/** Whether there is a CA in `dataDir`. Throws as `FolderStorage.readIndex` when there is a part of one. */
export function hasAuthority(dataDir: string): boolean {
  return new FolderStorage(dataDir).readIndex() !== undefined
}

/** A CA in the folder `ca` of a data folder: an index, and a folder for each authority. What changes is on disk before it counts. */
export class FolderStorage implements AuthorityStorage {
  readonly #dataDir: string
  readonly #folder: string

  constructor(dataDir: string) {
    this.#dataDir = dataDir
    this.#folder = join(dataDir, FOLDER)
  }

  readIndex(): AuthorityIndex | undefined {
    if (!existsSync(this.#folder) || readdirSync(this.#folder).length === 0) return undefined
    return parseIndex(this.#read(INDEX))
  }

  /** Keys have to be ours alone. */
  readAuthority(entry: AuthorityEntry): StoredAuthority {
    return parseAuthority(entry, (name) => this.#read(join(entry.id, name)))
  }

  writeFirst(authority: StoredAuthority, index: AuthorityIndex): void {
    const unfinished = `${this.#folder}${UNFINISHED}`
    writing(this.#dataDir, () => {
      mkdirSync(this.#dataDir, { recursive: true, mode: 0o700 })
      rmSync(unfinished, { recursive: true, force: true })
      mkdirSync(unfinished, { mode: 0o700 })
      writeFolder(unfinished, index.authorities[0]!.id, authority)
      writeDurably(join(unfinished, INDEX), indexText(index))
      syncFolder(unfinished)
      // Fails when a folder with files is there.
      renameSync(unfinished, this.#folder)
      syncFolder(this.#dataDir)
    })
  }

  writeAuthority(id: string, authority: StoredAuthority): void {
    const folder = this.#folder
    writing(folder, () => {
      const unfinished = `${id}${UNFINISHED}`
      for (const leftBehind of [id, unfinished]) rmSync(join(folder, leftBehind), { recursive: true, force: true })
      writeFolder(folder, unfinished, authority)
      renameSync(join(folder, unfinished), join(folder, id))
      syncFolder(folder)
    })
  }

  writeIndex(index: AuthorityIndex): void {
    replaceFile(join(this.#folder, INDEX), indexText(index))
  }

  replaceSigners(id: string, signers: readonly Certificate[]): void {
    replaceFile(join(this.#folder, id, SIGNERS), signersText(signers))
  }

  removeUnnamed({ authorities }: AuthorityIndex): void {
    const named = new Set(authorities.map(({ id }) => id))
    writing(this.#folder, () => {
      for (const name of readdirSync(this.#folder)) {
        if (LEFT_BEHIND.test(name) && !named.has(name))
          rmSync(join(this.#folder, name), { recursive: true, force: true })
      }
    })
  }

  #read(name: string): PlacedText {
    const place = join(this.#folder, name)
    if (!existsSync(place))
      throw new OutriderError(
        'ca-file-missing',
        `${place} is missing: restore it, or move ${this.#folder} away for a new CA`,
        { place },
      )
    let file: SmallFile
    try {
      file = readSmallFile(place, MAX_TEXT_BYTES)
    } catch (cause) {
      throw new OutriderError('ca-file-unreadable', `${place} cannot be read: ${describeError(cause)}`, { place })
    }
    if (KEY.test(name) && (file.mode & OTHERS) !== 0)
      throw new OutriderError(
        'ca-key-exposed',
        `${place} can be used by others (mode ${(file.mode & 0o777).toString(8)}): chmod 600 it if the key is still secret`,
        { place },
      )
    return { text: file.text, place }
  }
}

function writeFolder(folder: string, name: string, authority: StoredAuthority): void {
  const place = join(folder, name)
  mkdirSync(place, { mode: 0o700 })
  for (const [file, text] of Object.entries(authorityTexts(authority))) writeDurably(join(place, file), text)
  syncFolder(place)
}

function replaceFile(path: string, content: string): void {
  writing(path, () => replaceDurably(path, content))
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
