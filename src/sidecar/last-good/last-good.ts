import type { SidecarConfig } from '../../config/sidecar.ts'
import type { Clock } from '../../lib/clock.ts'
import type { OutriderError } from '../../lib/errors.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { Fallback } from './fallback.ts'
import { IdentityFile } from './identity-file.ts'
import { Keeper } from './keeper.ts'
import { PolicyFile } from './policy-file.ts'
import { SentMessages } from './resources.ts'
import { openStateFolder, type StateFolder } from './state-folder.ts'

export interface LastGoodOptions {
  readonly config: Pick<SidecarConfig, 'stateDir' | 'identitySource' | 'lastGoodMaxAgeMs' | 'lastGoodWaitMs'>
  readonly snapshot: Snapshot
  readonly clock: Clock
  readonly log: Logger
}

/** The identity to keep. */
interface FollowedIdentity {
  readonly source: { readonly credentials: Watch<Credentials> }
  readonly kept: Credentials | undefined
}

/** The policy stream. */
interface FollowedStream {
  readonly refusal: OutriderError | undefined
  reopen(): void
}

/** What this process leaves for the next one, and found of the one before. Does nothing without the option `stateDir`. */
export class LastGood {
  readonly #options: LastGoodOptions
  readonly #folder: StateFolder | undefined
  /** Where the identity is; undefined where it is nobody's to keep. */
  readonly identityFile: IdentityFile | undefined
  readonly #policyFile: PolicyFile | undefined
  #keeper: Keeper | undefined
  #fallback: Fallback | undefined

  private constructor(options: LastGoodOptions, folder: StateFolder | undefined) {
    const { identitySource, lastGoodMaxAgeMs } = options.config
    this.#options = options
    this.#folder = folder
    if (folder === undefined) return
    if (identitySource === 'control') this.identityFile = new IdentityFile(folder.path)
    if (lastGoodMaxAgeMs === 0) return
    const sent = new SentMessages()
    options.snapshot.sent = sent
    this.#policyFile = new PolicyFile(folder.path, sent)
  }

  /** Rejects as `openStateFolder`. */
  static async open(options: LastGoodOptions): Promise<LastGood> {
    const { config, log } = options
    const { stateDir, lastGoodMaxAgeMs } = config
    if (stateDir === undefined) {
      log.info({ option: 'stateDir' }, 'nothing is kept on disk: each start needs the control server')
      return new LastGood(options, undefined)
    }
    if (lastGoodMaxAgeMs === 0)
      log.info({ option: 'lastGoodMaxAgeMs' }, 'no policy is kept on disk: each start needs the control server')
    return new LastGood(options, await openStateFolder(stateDir))
  }

  /** From now on keeps what changes, and after a while without a policy gives the one that was kept. */
  follow({ source, kept }: FollowedIdentity, stream: FollowedStream): void {
    const { snapshot, clock, log, config } = this.#options
    if (this.#folder === undefined) return
    const policyFile = this.#policyFile
    const keeper = new Keeper({
      credentials: source.credentials,
      snapshot,
      ...(policyFile && { policyFile }),
      ...(this.identityFile && { identityFile: this.identityFile }),
      keptIdentity: kept,
      clock,
      log,
    })
    this.#keeper = keeper
    if (policyFile === undefined) return
    this.#fallback = new Fallback({
      snapshot,
      policyFile,
      keeper,
      refusal: () => stream.refusal,
      onHeld: () => stream.reopen(),
      waitMs: config.lastGoodWaitMs,
      maxAgeMs: config.lastGoodMaxAgeMs,
      clock,
      log,
    })
  }

  /** What is wrong with a policy that has to be from here; undefined when nothing is, or it is not needed. */
  get fault(): string | undefined {
    return this.#fallback?.fault
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    this.#fallback?.close()
    await this.#keeper?.close()
    this.#folder?.release()
  }
}
