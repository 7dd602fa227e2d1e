import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { HeldResources, Snapshot } from '../snapshot/snapshot.ts'
import type { IdentityFile } from './identity-file.ts'
import type { PolicyFile } from './policy-file.ts'
import { type SealingIdentity, sealingIdentity } from './sealed.ts'

export interface KeeperOptions {
  readonly credentials: Watch<Credentials>
  readonly snapshot: Snapshot
  /** Absent where the policy is not to be kept. */
  readonly policyFile?: PolicyFile
  /** Absent where the identity is somebody else's to keep. */
  readonly identityFile?: IdentityFile
  /** What `identityFile` holds; undefined when that is none of ours. */
  readonly keptIdentity: Credentials | undefined
  readonly clock: Clock
  readonly log: Logger
}

/** Updates of the policy that come within this time are written once. */
const GATHER_MS = 1_000
/** How often the time is written while nothing changes, and what could not be written is tried again. */
const SEEN_EVERY_MS = 60_000
/** What the last write may take when the sidecar stops. */
const LAST_WRITE_MS = 5_000

interface KeptPolicy {
  readonly held: HeldResources
  readonly revision: number
  readonly tag: string
  readonly syncedAtMs: number
}

/**
 * Writes identity and policy into the state folder as they change: one write at a time, and what changes meanwhile is merged
 * into the next one. A policy that came from the folder is not written back. What cannot be written is told, and tried again
 * within a minute; the copy that is then outdated is removed.
 */
export class Keeper {
  readonly #options: KeeperOptions
  readonly #unsubscribe: readonly (() => void)[]
  /** What the files are sealed for and hold. */
  #identity: SealingIdentity
  #credentials: Credentials | undefined
  #policy: KeptPolicy | undefined
  #gathering: Timer | undefined
  #tick: Timer | undefined
  #working: Promise<void> | undefined
  #closing = false
  /** Time goes on while it is written: at the end once is enough. */
  #lastSeenWritten = false

  constructor(options: KeeperOptions) {
    const { credentials, snapshot, identityFile, keptIdentity } = options
    this.#options = options
    this.#identity = sealingIdentity((keptIdentity ?? credentials.current).svid)
    this.#credentials = identityFile === undefined ? credentials.current : keptIdentity
    this.#unsubscribe = [
      credentials.subscribe(() => this.#wake()),
      snapshot.policy.subscribe(() => {
        this.#gathering ??= options.clock.after(GATHER_MS, () => {
          this.#gathering = undefined
          this.#wake()
        })
      }),
    ]
    this.#tickLater()
    this.#wake()
  }

  /** What the files are sealed for, when nothing is being written. */
  async settled(): Promise<SealingIdentity> {
    while (this.#working !== undefined) await this.#working
    return this.#identity
  }

  /** Writes what is not written yet, the time included. Waits for that, but not for a disk that hangs. */
  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    this.#gathering?.cancel()
    this.#tick?.cancel()
    for (const stop of this.#unsubscribe) stop()
    const late = Promise.withResolvers<void>()
    const timer = this.#options.clock.after(LAST_WRITE_MS, late.resolve)
    await Promise.race([this.settled().then(() => this.#work()), late.promise])
    timer.cancel()
  }

  #tickLater(): void {
    this.#tick = this.#options.clock.after(SEEN_EVERY_MS, () => {
      this.#wake()
      this.#tickLater()
    })
  }

  #wake(): void {
    if (this.#closing) return
    this.#working ??= this.#work().finally(() => (this.#working = undefined))
  }

  /** Until all is written, or something cannot be. */
  async #work(): Promise<void> {
    const { lastGoodWrites } = this.#options.snapshot.metrics
    try {
      for (let write = this.#next(); write !== undefined; write = this.#next()) {
        await write()
        lastGoodWrites.with({ result: 'written' }).inc()
      }
    } catch (cause) {
      lastGoodWrites.with({ result: 'failed' }).inc()
      const error = new OutriderError('last-good-unwritable', describeError(cause), { source: 'dependency', cause })
      this.#options.log.error({ error }, 'the state folder cannot be written: a restart needs the control server')
    }
  }

  /** In this order: the policy is sealed with a key that is in the file of the identity already. */
  #next(): (() => Promise<void>) | undefined {
    const { credentials, snapshot, policyFile } = this.#options
    const { current } = credentials
    if (current !== this.#credentials) return () => this.#keepIdentity(current)
    if (policyFile === undefined || snapshot.source !== 'control') return undefined
    const kept = this.#policy
    if (kept?.held !== snapshot.held) return () => this.#keepPolicy(policyFile)
    // The copy is the policy in force: it was current as long as that was.
    const syncedAtMs = snapshot.syncedAtMs ?? 0
    const sinceMs = syncedAtMs - kept.syncedAtMs
    if (this.#closing ? sinceMs <= 0 || this.#lastSeenWritten : sinceMs < SEEN_EVERY_MS / 2) return undefined
    return async () => {
      this.#lastSeenWritten = this.#closing
      await policyFile.writeSeen(kept.tag, kept.revision, syncedAtMs, this.#identity)
      this.#policy = { ...kept, syncedAtMs }
    }
  }

  async #keepIdentity(credentials: Credentials): Promise<void> {
    const { policyFile, identityFile } = this.#options
    const next = sealingIdentity(credentials.svid)
    const isNewKey = next.keyId !== this.#identity.keyId
    const tag = isNewKey ? await policyFile?.prepare(this.#identity, next) : undefined
    await identityFile?.write(credentials)
    if (tag !== undefined) await policyFile?.turnOver()
    if (isNewKey) this.#policy = tag === undefined || this.#policy === undefined ? undefined : { ...this.#policy, tag }
    this.#identity = next
    this.#credentials = credentials
  }

  async #keepPolicy(policyFile: PolicyFile): Promise<void> {
    const { held, revision, syncedAtMs = 0 } = this.#options.snapshot
    this.#policy = undefined
    try {
      const tag = await policyFile.write(held, revision, syncedAtMs, this.#identity)
      this.#policy = { held, revision, tag, syncedAtMs }
    } catch (error) {
      // It may lack a DENY of the policy in force.
      await policyFile.remove()
      throw error
    }
  }
}
