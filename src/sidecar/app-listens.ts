import { connect } from 'node:net'
import { type Address, formatAddress } from '../lib/address.ts'
import { Backoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Logger } from '../telemetry/log.ts'

/** Where peers reach one port of the application, and where the application itself may listen. */
export interface Advertised {
  readonly endpoint: { readonly appPort: number; readonly address: string; readonly port: number }
  readonly apps: readonly Address[]
}

export interface AppListensOptions {
  readonly announced: readonly Advertised[]
  /** Those whose application listens by now; called again when there are more. */
  readonly tell: (endpoints: readonly Advertised[]) => void
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

const FIRST_MS = 50
const LONGEST_MS = 1_000
/** A connection on loopback that takes longer is of an application with a full backlog. */
const CONNECT_MS = 1_000

/**
 * In a pod the sidecar is there first, and an endpoint whose application does not listen yet would be given requests that nobody
 * can answer. Looks at each port, by a connection that says nothing, until it takes one; what it takes later is for probes to see.
 */
export class AppListens {
  readonly #options: AppListensOptions
  readonly #open = new Set<Advertised>()
  readonly #timers = new Set<Timer>()
  readonly #sockets = new Set<{ destroy(): void }>()
  #closed = false

  constructor(options: AppListensOptions) {
    this.#options = options
    options.tell([])
    for (const one of options.announced) {
      const { random } = options
      this.#look(one, new Backoff({ initialMs: FIRST_MS, maxMs: LONGEST_MS, jitter: 0.2 }, random))
    }
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#timers) timer.cancel()
    for (const socket of this.#sockets) socket.destroy()
  }

  #look(one: Advertised, backoff: Backoff): void {
    let refusing = one.apps.length
    for (const app of one.apps) {
      this.#connects(app, (listens) => {
        if (this.#closed || this.#open.has(one)) return
        refusing -= 1
        if (listens) this.#announce(one, app)
        else if (refusing === 0) this.#lookLater(one, backoff)
      })
    }
  }

  #lookLater(one: Advertised, backoff: Backoff): void {
    const timer = this.#options.clock.after(backoff.next(), () => {
      this.#timers.delete(timer)
      this.#look(one, backoff)
    })
    this.#timers.add(timer)
  }

  #announce(one: Advertised, app: Address): void {
    const { announced, tell, log } = this.#options
    this.#open.add(one)
    log.info({ app: formatAddress(app) }, 'the application listens')
    tell(announced.filter((each) => this.#open.has(each)))
  }

  #connects({ host, port }: Address, done: (listens: boolean) => void): void {
    const socket = connect({ host, port })
    this.#sockets.add(socket)
    const timer = this.#options.clock.after(CONNECT_MS, () => settle(false))
    let settled = false
    const settle = (listens: boolean): void => {
      if (settled) return
      settled = true
      timer.cancel()
      this.#sockets.delete(socket)
      socket.destroy()
      done(listens)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  }
}
