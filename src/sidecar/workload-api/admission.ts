import type { Socket } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { ReadPeerCredentials } from '../../lib/peer-credentials.ts'
import type { LocalCaller, LocalPeer } from '../../rpc/peer.ts'
import type { Logger } from '../../telemetry/log.ts'

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

  /** Who has connected; `undefined` for whom no place is left, or whom the kernel does not name. */
  identify(socket: Socket): LocalPeer | undefined {
    const peer = this.#read(socket)
    if (peer === undefined || this.#options.uids.has(peer.uid)) return peer
    if (this.#strangers >= MAX_STRANGERS) {
      this.#warn(peer, `closed: ${MAX_STRANGERS} connections of users without an identity are open`)
      return undefined
    }
    this.#strangers += 1
    socket.once('close', () => {
      this.#strangers -= 1
    })
    return peer
  }

  /** Throws `caller-not-entitled`. */
  require({ peer }: LocalCaller): void {
    if (this.#options.uids.has(peer.uid)) return
    this.#warn(peer, 'refused: workloadApiUids does not have this user')
    throw new OutriderError('caller-not-entitled', `user ${peer.uid} has no identity here: workloadApiUids says who has`)
  }

  #read(socket: Socket): LocalPeer | undefined {
    try {
      return { kind: 'local', ...this.#options.read(socket) }
    } catch (error) {
      this.#warn({}, `closed: ${describeError(error)}`)
      return undefined
    }
  }

  #warn({ uid, pid }: Partial<LocalPeer>, what: string): void {
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
