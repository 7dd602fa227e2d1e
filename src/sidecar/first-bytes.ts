import type { Socket } from 'node:net'
import { type DetectedProtocol, detectProtocol } from '../http/detect.ts'
import { type FirstName, firstName } from '../http/first-name.ts'
import type { Sweep, Sweepable } from '../http/sweep.ts'

/**
 * Tells, once, what an accepted socket speaks. Its first bytes are still in it then, for whoever reads next: a codec that
 * listens to `data`, or a `tls.Server` as `connection`. A client that shows nothing within `timeoutMs`, or ends before it
 * has shown more than a beginning, speaks `tcp`; one that goes without a byte is closed, and nobody hears of it.
 */
export function detectFirstBytes(
  socket: Socket,
  sweep: Sweep,
  timeoutMs: number,
  onDetected: (protocol: DetectedProtocol) => void,
): void {
  sweep.add(new FirstBytes<DetectedProtocol>(socket, sweep, timeoutMs, detectProtocol, 'tcp', onDetected))
}

/** As `detectFirstBytes`, and the name that the client asks for as well. */
export function detectFirstName(
  socket: Socket,
  sweep: Sweep,
  timeoutMs: number,
  onDetected: (shown: FirstName) => void,
): void {
  sweep.add(new FirstBytes<FirstName>(socket, sweep, timeoutMs, firstName, { protocol: 'tcp' }, onDetected))
}

class FirstBytes<T> implements Sweepable {
  readonly deadline: number
  readonly #socket: Socket
  readonly #sweep: Sweep
  /** What the bytes show; `undefined` asks for more, and at some length no longer. */
  readonly #judge: (bytes: Buffer) => T | undefined
  readonly #otherwise: T
  readonly #onDetected: (shown: T) => void
  #bytes: Buffer | undefined

  constructor(
    socket: Socket,
    sweep: Sweep,
    timeoutMs: number,
    judge: (bytes: Buffer) => T | undefined,
    otherwise: T,
    onDetected: (shown: T) => void,
  ) {
    this.#socket = socket
    this.#sweep = sweep
    this.#judge = judge
    this.#otherwise = otherwise
    this.#onDetected = onDetected
    this.deadline = sweep.in(timeoutMs)
    socket.on('readable', this.#onReadable)
    socket.on('close', this.#stop)
  }

  expired(): void {
    this.#detected(this.#otherwise)
  }

  readonly #onReadable = (): void => {
    const read: Buffer | null = this.#socket.read()
    if (read !== null) {
      this.#bytes = this.#bytes === undefined ? read : Buffer.concat([this.#bytes, read])
      const shown = this.#judge(this.#bytes)
      if (shown !== undefined) this.#detected(shown)
    } else if (this.#socket.readable) {
      // Readable, and nothing to read: its end has come, and is not told yet.
      if (this.#bytes !== undefined) this.#detected(this.#otherwise)
      else this.#socket.destroy()
    }
  }

  readonly #stop = (): void => {
    this.#sweep.remove(this)
    this.#socket.off('readable', this.#onReadable)
    this.#socket.off('close', this.#stop)
  }

  #detected(shown: T): void {
    this.#stop()
    if (this.#bytes !== undefined) this.#socket.unshift(this.#bytes)
    this.#onDetected(shown)
  }
}
