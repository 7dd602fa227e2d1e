import type { Socket } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { PeerCredentials, ReadPeerCredentials } from '../../lib/peer-credentials.ts'
import type { LocalCaller } from '../../rpc/peer.ts'
import type { Logger } from '../../telemetry/log.ts'

/** What may be called on the socket. */
export type WorkloadApiMethod =
  | 'FetchX509SVID'
  | 'FetchX509Bundles'
  | 'FetchJWTSVID'
  | 'FetchJWTBundles'
  | 'ValidateJWTSVID'
  | 'StreamSecrets'
  | 'DeltaSecrets'
  | 'FetchSecrets'

export interface AdmissionOptions {
  readonly read: ReadPeerCredentials
  /** User IDs of those who may have the identity of the workload. */
  readonly uids: ReadonlySet<number>
  readonly clock: Clock
  readonly log: Logger
}

/** Connections of users who may have nothing. They learn why, and hold no more places than these. */
const MAX_STRANGERS = 16
/** Strangers come as often as they like; the log has a line for them this often. */
const WARN_EVERY_MS = 60_000

/**
 * Who may have the identity of the workload: users, by the credentials that the kernel noted when they connected. Anybody can
 * open the socket, so that a refusal is an answer and not a riddle.
 */
export class Admission {
  readonly #options: AdmissionOptions
  #strangers = 0
  #warnAgainAt = -Infinity
  #unsaid = 0

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /**
   * Who has connected. Throws `peer-credentials-unknown` for whom the kernel does not name, and `too-many-strangers` for whom no
   * place is left.
   */
  credentialsOf(socket: Socket): PeerCredentials {
    const peer = this.#read(socket)
    if (this.#options.uids.has(peer.uid)) return peer
    if (this.#strangers >= MAX_STRANGERS) {
      const error = new OutriderError(
        'too-many-strangers',
        `${MAX_STRANGERS} connections of users who have no identity here are open: the limit`,
      )
      this.#warn(peer, `closed: ${error.message}`)
      throw error
    }
    this.#strangers += 1
    socket.once('close', () => {
      this.#strangers -= 1
    })
    return peer
  }

  /** Throws `caller-not-entitled`. */
  require({ unix }: LocalCaller): void {
    if (this.#options.uids.has(unix.uid)) return
    this.#warn(unix, 'refused: workloadApiUids does not have this user')
    throw new OutriderError(
      'caller-not-entitled',
      `user ${unix.uid} has no identity here: workloadApiUids says who has`,
    )
  }

  #read(socket: Socket): PeerCredentials {
    try {
      return this.#options.read(socket)
    } catch (error) {
      this.#warn({}, `closed: ${describeError(error)}`)
      throw error
    }
  }

  #warn({ uid, pid }: Partial<PeerCredentials>, what: string): void {
    const { clock, log } = this.#options
    const now = clock.monotonic()
    if (now < this.#warnAgainAt) {
      this.#unsaid += 1
      return
    }
    log.warn({ uid, pid, unsaid: this.#unsaid }, `a caller of the Workload API was ${what}`)
    this.#warnAgainAt = now + WARN_EVERY_MS
    this.#unsaid = 0
  }
}
