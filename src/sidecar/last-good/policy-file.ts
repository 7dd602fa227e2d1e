import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { renameDurably, replaceDurablyLater } from '../../lib/durable-file.ts'
import { OutriderError } from '../../lib/errors.ts'
import { readPrivateFile } from '../../lib/private-file.ts'
import type { HeldResources } from '../snapshot/snapshot.ts'
import { encodeResources, type SentMessages } from './resources.ts'
import { keyIdOf, MAX_FILE_BYTES, open, type Opened, seal, type SealingIdentity } from './sealed.ts'

/** The copy of the policy; of the time when it was last known to be current; and the copy for the key that is to be used next. */
const POLICY = 'policy.sealed'
const SEEN = 'policy.seen'
const NEXT = 'policy.next.sealed'
/** Of `SEEN`: a header and two tags. */
const MAX_SEEN_BYTES = 8192

/** A copy of the policy that is authentic. How old it may be is for others to say. */
export interface PolicyCopy {
  readonly revision: number
  /** Wall-clock time at which it was last known to be what the control server wants. */
  readonly syncedAtMs: number
  readonly body: Buffer
  readonly tag: string
}

/** The last-good copy of the policy in a private folder. One writer at a time. */
export class PolicyFile {
  readonly #folder: string
  readonly #sent: SentMessages

  constructor(folder: string, sent: SentMessages) {
    this.#folder = folder
    this.#sent = sent
  }

  get path(): string {
    return this.#in(POLICY)
  }

  /**
   * The copy that was sealed for this very identity and key; undefined when there is none. Throws what `readPrivateFile` and `open`
   * throw, with the path as its place. `onUnseen` is told why the time beside it does not count: then the copy is as old as it
   * says itself.
   */
  read(identity: SealingIdentity, onUnseen: (error: unknown) => void): PolicyCopy | undefined {
    const opened = this.#open(identity)
    if (opened === undefined) return undefined
    const { header, body, tag } = opened
    const seenAtMs = this.#seenAtMs(identity, tag, onUnseen) ?? 0
    return { revision: header.revision, syncedAtMs: Math.max(header.syncedAtMs, seenAtMs), body, tag }
  }

  /** Gives the tag of the copy. */
  async write(held: HeldResources, revision: number, syncedAtMs: number, identity: SealingIdentity): Promise<string> {
    const { pieces, tag } = await seal(
      'policy',
      { revision, syncedAtMs },
      await encodeResources(held, this.#sent),
      identity,
    )
    await replaceDurablyLater(this.path, pieces)
    await rm(this.#in(NEXT), { force: true })
    return tag
  }

  /** The copy with this tag was current at this time. */
  async writeSeen(tag: string, revision: number, syncedAtMs: number, identity: SealingIdentity): Promise<void> {
    const { pieces } = await seal('seen', { revision, syncedAtMs }, [Buffer.from(tag, 'hex')], identity)
    await replaceDurablyLater(this.#in(SEEN), pieces)
  }

  /** Nothing is better than a copy that is known to be of another policy than the one in force. */
  async remove(): Promise<void> {
    for (const name of [POLICY, NEXT]) await rm(this.#in(name), { force: true })
  }

  /**
   * Seals the copy for another key, beside the present one: `turnOver` puts it in its place when the other key is the one that
   * the next start will have. A crash at any point leaves a copy for whichever key that is. Gives the new tag, and undefined where
   * there is nothing that `from` opens.
   */
  async prepare(from: SealingIdentity, to: SealingIdentity): Promise<string | undefined> {
    let copy: PolicyCopy | undefined
    try {
      copy = this.read(from, () => {})
    } catch {
      // Of somebody else, or damaged: who wants to use it will be told.
      return undefined
    }
    if (copy === undefined) return undefined
    const { pieces, tag } = await seal('policy', copy, [copy.body], to)
    await replaceDurablyLater(this.#in(NEXT), pieces)
    return tag
  }

  turnOver(): Promise<void> {
    return renameDurably(this.#in(NEXT), this.path)
  }

  #in(name: string): string {
    return join(this.#folder, name)
  }

  #open(identity: SealingIdentity): Opened | undefined {
    const present = readPrivateFile(this.path, MAX_FILE_BYTES)
    if (present === undefined || keyIdOf('policy', present) !== identity.keyId) {
      // The key was changed, and that was cut short between its own file and this one.
      const next = readPrivateFile(this.#in(NEXT), MAX_FILE_BYTES)
      if (next !== undefined && keyIdOf('policy', next) === identity.keyId) {
        return at(this.#in(NEXT), () => open('policy', next, identity))
      }
    }
    return present && at(this.path, () => open('policy', present, identity))
  }

  #seenAtMs(identity: SealingIdentity, tag: string, onUnseen: (error: unknown) => void): number | undefined {
    try {
      const file = readPrivateFile(this.#in(SEEN), MAX_SEEN_BYTES)
      // Of another key, or of a copy before this one: that is no fault.
      const keyId = file && keyIdOf('seen', file)
      if (file === undefined || (keyId !== undefined && keyId !== identity.keyId)) return undefined
      const { header, body } = at(this.#in(SEEN), () => open('seen', file, identity))
      return body.toString('hex') === tag ? header.syncedAtMs : undefined
    } catch (error) {
      onUnseen(error)
      return undefined
    }
  }
}

/** Errors of `read` say which file they are about. */
function at<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    throw new OutriderError(thrown.code, thrown.message, { place: path, cause: thrown.cause })
  }
}
