import type { H2FaultCode } from './fault.ts'

/** Frames without content that a peer may send in one sweep (half a second) beyond what its requests explain. */
const MAX_BURDEN = 1000
/** Resets in one sweep that are never an attack. */
const FREE_RESETS = 500
/** Streams that we reset in one sweep before we open no more in it: half of what the other side allows at least. */
const MAX_OWN_RESETS = 250
/** Frames of one field block: the first one and as many CONTINUATIONs. */
export const MAX_BLOCK_FRAMES = 32
/** Values in one SETTINGS frame. Each may move the window of every stream. */
export const MAX_SETTINGS = 32
/** Acknowledgements that wait for a peer that does not read. */
export const MAX_UNREAD_ANSWERS = 1000
/** Bytes that wait for a client that does not read, beyond which it may not open another stream. */
export const MAX_UNREAD_BYTES: number = 1024 * 1024

/**
 * Notices a peer that makes us work for nothing: SETTINGS, PING, PRIORITY, empty DATA, needless WINDOW_UPDATE, and requests
 * that are reset before they were answered ("rapid reset"), by the peer or by us for what it did. Counts begin anew with
 * each sweep.
 */
export class FloodGuard {
  readonly #maxResets: number
  #burden = 0
  #resets = 0
  #ownResets = 0

  /** As many streams as may be open at once can honestly be reset at once: their clients may all go together. */
  constructor(maxConcurrentStreams: number) {
    this.#maxResets = FREE_RESETS + maxConcurrentStreams
  }

  sweep(): void {
    this.#burden = 0
    this.#resets = 0
    this.#ownResets = 0
  }

  /** A frame that carries nothing. */
  idleFrame(): H2FaultCode | undefined {
    this.#burden += 1
    return this.#burden > MAX_BURDEN ? 'h2-control-flood' : undefined
  }

  /** A stream was opened, or content sent: so many of the peer's frames are explained. */
  explained(frames: number): void {
    this.#burden = Math.max(-MAX_BURDEN, this.#burden - frames)
  }

  /** We reset a stream that we had opened. */
  resetOwn(): void {
    this.#ownResets += 1
  }

  /**
   * Whether we look like an attacker ourselves. One client that resets what it asks for must not cost the others the
   * connection that they share.
   */
  get mustPause(): boolean {
    return this.#ownResets >= MAX_OWN_RESETS
  }

  /** A stream that was not answered was reset by the peer, or because of it. */
  reset(): H2FaultCode | undefined {
    this.#resets += 1
    return this.#resets > this.#maxResets ? 'h2-reset-flood' : undefined
  }
}
