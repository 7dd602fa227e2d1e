import type { Certificate } from '../../identity/x509.ts'
import { OutriderError } from '../../lib/errors.ts'
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

/** Of an authority: its ID, a dot, and the name of the text. */
const OF_AUTHORITY = /^([0-9a-f]{16})\./

/**
 * A CA in memory, as texts by flat names: `authorities.json` and `ID.root.pem`. Somebody else keeps them: `texts` is what to keep. Texts with
 * other names are left alone.
 */
export class TextStorage implements AuthorityStorage {
  readonly #where: string
  readonly #texts: Map<string, string>

  /** `where` is what errors call the place that the texts are from. */
  constructor(where: string, texts: Iterable<readonly [string, string]> = []) {
    this.#where = where
    this.#texts = new Map(texts)
  }

  get texts(): ReadonlyMap<string, string> {
    return this.#texts
  }

  readIndex(): AuthorityIndex | undefined {
    return this.#texts.size === 0 ? undefined : parseIndex(this.#read(INDEX))
  }

  readAuthority(entry: AuthorityEntry): StoredAuthority {
    return parseAuthority(entry, (name) => this.#read(`${entry.id}.${name}`))
  }

  writeFirst(authority: StoredAuthority, index: AuthorityIndex): void {
    this.writeAuthority(index.authorities[0]!.id, authority)
    this.writeIndex(index)
  }

  writeAuthority(id: string, authority: StoredAuthority): void {
    for (const [name, text] of Object.entries(authorityTexts(authority))) this.#texts.set(`${id}.${name}`, text)
  }

  writeIndex(index: AuthorityIndex): void {
    this.#texts.set(INDEX, indexText(index))
  }

  replaceSigners(id: string, signers: readonly Certificate[]): void {
    this.#texts.set(`${id}.${SIGNERS}`, signersText(signers))
  }

  removeUnnamed({ authorities }: AuthorityIndex): void {
    const named = new Set(authorities.map(({ id }) => id))
    for (const name of this.#texts.keys()) {
      const [, id] = OF_AUTHORITY.exec(name) ?? []
      if (id !== undefined && !named.has(id)) this.#texts.delete(name)
    }
  }

  #read(name: string): PlacedText {
    const text = this.#texts.get(name)
    const place = `${this.#where}, key ${name}`
    if (text === undefined)
      throw new OutriderError('ca-file-missing', `${place} is missing: restore all of it from a backup`, { place })
    if (text.length > MAX_TEXT_BYTES)
      throw new OutriderError('ca-file-unreadable', `${place} has more than ${MAX_TEXT_BYTES} bytes`, { place })
    return { text, place }
  }
}
