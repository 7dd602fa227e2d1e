import type { CompiledPolicy } from '../policy/compile.ts'
import type { Refusal } from './refusal.ts'

/** A WebSocket or TCP connection that goes on after it was decided on. */
export interface Tunnel {
  /** Why `policy` would not grant it; `undefined` when it would. */
  refusedBy(policy: CompiledPolicy): Refusal | undefined
  cut(refusal: Refusal): void
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
    let cut = 0
    for (const tunnel of this.#open) {
      const refusal = tunnel.refusedBy(policy)
      if (refusal === undefined) continue
      tunnel.cut(refusal)
      cut += 1
    }
    return cut
  }
}
