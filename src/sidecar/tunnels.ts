import type { StreamFault } from '../http/exchange.ts'
import type { CompiledPolicy } from '../policy/compile.ts'

/** A WebSocket or TCP connection that goes on after it was decided on. */
export interface Tunnel {
  /** Whether it would be granted by `policy`. */
  allowedBy(policy: CompiledPolicy): boolean
  cut(fault: StreamFault): void
}

const withdrawn: StreamFault = {
  code: 'closed-here',
  message: 'the policy no longer allows this connection',
  replay: 'never',
}

/** The open tunnels of a listener; each is a request in flight, so `maxInFlight` bounds them. */
export class Tunnels {
  readonly #open = new Set<Tunnel>()

  add(tunnel: Tunnel): void {
    this.#open.add(tunnel)
  }

  delete(tunnel: Tunnel): void {
    this.#open.delete(tunnel)
  }

  /** Late rejection: cuts what `policy` would not grant, and returns how many that were. */
  recheck(policy: CompiledPolicy): number {
    const refused = [...this.#open].filter((tunnel) => !tunnel.allowedBy(policy))
    for (const tunnel of refused) tunnel.cut(withdrawn)
    return refused.length
  }
}
