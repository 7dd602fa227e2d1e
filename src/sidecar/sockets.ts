import type { Socket } from 'node:net'
import type { Runtime } from './runtime.ts'
import type { Tally } from './tally.ts'

/** The sockets of one listener, before and after their handshake: counted, and bounded by `maxConnections`. */
export class Sockets {
  readonly #listener: 'inbound' | 'outbound'
  readonly #runtime: Runtime
  readonly #open = new Set<Socket>()
  /** Of this listener, wherever in the process they were accepted. */
  readonly #tally: Tally

  constructor(listener: 'inbound' | 'outbound', runtime: Runtime) {
    this.#listener = listener
    this.#runtime = runtime
    this.#tally = runtime.tallies.claim()
  }

  /** Takes the socket in, or closes it at once and returns false. */
  admit(socket: Socket): boolean {
    const { config, metrics } = this.#runtime
    const listener = this.#listener
    socket.on('error', () => socket.destroy())
    this.#tally.add(1)
    if (this.#tally.total > config.maxConnections) {
      this.#tally.add(-1)
      metrics.connectionsRefused.with({ listener, reason: 'too-many-connections' }).inc()
      socket.destroy()
      return false
    }
    this.#open.add(socket)
    metrics.connections.with({ listener }).inc()
    const active = metrics.connectionsActive.with({ listener })
    active.add(1)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#tally.add(-1)
      active.add(-1)
    })
    return true
  }

  destroy(): void {
    for (const socket of this.#open) socket.destroy()
  }
}
