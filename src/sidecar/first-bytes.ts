import type { Socket } from 'node:net'
import { type DetectedProtocol, detectProtocol } from '../http/detect.ts'
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
  sweep.add(new FirstBytes(socket, sweep, timeoutMs, onDetected))
}

class FirstBytes implements Sweepable {
  readonly deadline: number
  readonly #socket: Socket
  readonly #sweep: Sweep
  readonly #onDetected: (protocol: DetectedProtocol) => void
  #bytes: Buffer | undefined

  constructor(socket: Socket, sweep: Sweep, timeoutMs: number, onDetected: (protocol: DetectedProtocol) => void) {
    this.#socket = socket
    this.#sweep = sweep
    this.#onDetected = onDetected
    this.deadline = sweep.in(timeoutMs)
    socket.on('readable', this.#onReadable)
    socket.on('close', this.#stop)
  }

  expired(): void {
    this.#detected('tcp')
  }

  readonly #onReadable = (): void => {
    const read: Buffer | null = this.#socket.read()
    if (read !== null) {
      this.#bytes = this.#bytes === undefined ? read : Buffer.concat([this.#bytes, read])
      const protocol = detectProtocol(this.#bytes)
      if (protocol !== undefined) this.#detected(protocol)
    } else if (this.#socket.readable) {
      // Readable, and nothing to read: its end has come, and is not told yet.
      if (this.#bytes !== undefined) this.#detected('tcp')
      else this.#socket.destroy()
    }
  }

  readonly #stop = (): void => {
    this.#sweep.remove(this)
    this.#socket.off('readable', this.#onReadable)
    this.#socket.off('close', this.#stop)
  }

  #detected(protocol: DetectedProtocol): void {
    this.#stop()
    if (this.#bytes !== undefined) this.#socket.unshift(this.#bytes)
    this.#onDetected(protocol)
  }
}
