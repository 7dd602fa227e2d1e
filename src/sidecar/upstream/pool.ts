import type { Duplex } from 'node:stream'
import type { ClientConnection, Ending } from '../../http/exchange.ts'
import type { Sweep, Sweepable } from '../../http/sweep.ts'
import type { Clock } from '../../lib/clock.ts'
import { Fifo } from '../../lib/fifo.ts'
import type { Gauge } from '../../telemetry/series.ts'
import type { RefusalCode } from '../refusal.ts'

export type Dialled =
  | {
      readonly kind: 'connected'
      readonly socket: Duplex
      /** Of connections that do not live for ever: is given the connection to end it in time. Returns the way out. */
      readonly follow?: (connection: PooledConnection) => () => void
      readonly word?: UpstreamWord
    }
  | { readonly kind: 'failed'; readonly code: RefusalCode; readonly message: string }

/** What an upstream lets us know before it closes. */
export interface UpstreamWord {
  /** Why it does not accept us; undefined while it has not said so. */
  readonly refusal: string | undefined
  /** The error of its GOAWAY (RFC 9113 section 6.8), and what it says beside it. */
  goingAway(error: number, debug: string): void
}

/** Opens one connection and answers once. */
export type Dial = (done: (result: Dialled) => void) => void

/** A connection to an upstream, whatever it speaks. */
export interface PooledConnection extends ClientConnection {
  /** Requests that can be sent now. */
  readonly room: number
  /** Exchanges under way. */
  readonly load: number
  /** Ends after the exchanges under way. */
  close(): void
  /** With an ending, the exchanges under way end by that. */
  destroy(ending?: Ending): void
}

export interface PoolEvents {
  /** There is room for requests where there was none. */
  readonly onRoom: (connection: PooledConnection) => void
  /** It takes no more requests, and closes when the last exchange on it is over. Of multiplexed ones only. */
  readonly onLeaving: (connection: PooledConnection) => void
  readonly onClosed: (connection: PooledConnection) => void
  /** The server goes away: error and debug data of its GOAWAY. Before `onLeaving`. */
  readonly onGoingAway: (error: number, debug: string) => void
}

/** Speaks HTTP on a connection that was opened. */
export type Speak = (socket: Duplex, events: PoolEvents) => PooledConnection

/** A request that needs a connection. */
export interface Waiter {
  /** The request was given up: it gets nothing. */
  readonly gone: boolean
  connected(connection: ClientConnection): void
  failed(code: RefusalCode, message: string): void
}

export interface PoolOptions {
  readonly dial: Dial
  readonly speak: Speak
  /** One connection carries many requests at once. */
  readonly multiplexed: boolean
  /** A connection that nobody waits for is kept for the next request. */
  readonly keepsIdle: boolean
  readonly maxConnections: number
  readonly queueTimeoutMs: number
  readonly sweep: Sweep
  readonly clock: Clock
  readonly active: Gauge
}

interface Waiting {
  readonly waiter: Waiter
  /** Monotonic. Infinite for whom alone a connection is being opened: that has a time-out of its own. */
  readonly until: number
}

interface Open {
  readonly era: number
  readonly word: UpstreamWord | undefined
  unfollow: (() => void) | undefined
  /** It had room once: the upstream speaks what we speak. */
  proven: boolean
  /** It takes no more requests. */
  leaving: boolean
  /** Whoever waited for it has been told that it came to nothing. */
  given: boolean
}

const CLOSED = 'the connection closed before it could carry a request'
const MAY_BE = 'some servers do that when they do not accept our certificate'
/**
 * Requests on every multiplexed connection from which on another one is opened. What shares a connection shares its writes,
 * so that few are cheaper than many.
 */
const SPREAD_AT = 256

/**
 * The connections to one endpoint. The one used last is used first, so that what is not needed grows old and closes.
 * Requests wait in order of arrival, only while there is no room on any connection, and no longer than `queueTimeoutMs`.
 */
export class UpstreamPool implements Sweepable {
  readonly #options: PoolOptions
  /** Those with room. */
  readonly #available: PooledConnection[] = []
  readonly #open = new Map<PooledConnection, Open>()
  readonly #waiting = new Fifo<Waiting>()
  #dialling = 0
  /** When a multiplexed connection was being opened last. Monotonic. */
  #openingMs = Number.NEGATIVE_INFINITY
  /** Rises with each `retire`: what was dialled in an earlier era is not used. */
  #era = 0
  #closed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Requests under way or waiting: what a balancer compares. */
  get load(): number {
    let load = this.#waiting.size
    if (!this.#options.multiplexed) return load + this.#open.size - this.#available.length
    for (const connection of this.#open.keys()) load += connection.load
    return load
  }

  /** Always due: `expired` looks at every waiter itself. The pool is swept only while somebody waits. */
  readonly deadline: number = Number.NEGATIVE_INFINITY

  /** Gives `waiter` a connection, at once when one has room. */
  acquire(waiter: Waiter): void {
    const connection = this.#take()
    if (connection === undefined) {
      this.#wait(waiter)
      return
    }
    waiter.connected(connection)
    // One that carries a request at a time comes back when that is over.
    if (!this.#options.multiplexed || connection.room === 0) return
    this.#available.push(connection)
    if (connection.load >= SPREAD_AT && this.#mayDial) this.#dial()
  }

  /** As `acquire`, but on no connection that lies idle: for what failed on one that had lain idle too long. */
  acquireFresh(waiter: Waiter): void {
    // A multiplexed connection that failed is gone, and another one does not lie idle.
    if (this.#options.multiplexed) this.acquire(waiter)
    else this.#wait(waiter)
  }

  /** Our identity changed, or the endpoint's: idle connections close now, the others after their exchanges. */
  retire(): void {
    this.#era += 1
    for (const connection of this.#open.keys()) connection.close()
    this.#available.length = 0
  }

  /** Takes no more requests; ends when the exchanges under way have. */
  close(): void {
    this.#closed = true
    this.retire()
    this.#failWaiting('no-endpoint', 'the endpoint was withdrawn')
  }

  destroy(): void {
    this.#closed = true
    this.#era += 1
    for (const connection of this.#open.keys()) connection.destroy()
    this.#failWaiting('no-endpoint', 'the sidecar stops')
  }

  expired(): void {
    const { clock, queueTimeoutMs, sweep, multiplexed } = this.#options
    const now = clock.monotonic()
    if (multiplexed && this.#opening) this.#openingMs = now
    // Whoever waited for a connection that was being opened waits for room on it as long as anybody else.
    const busy = this.#openingMs + queueTimeoutMs <= now
    const late = this.#waiting.remove(({ until, waiter }) => waiter.gone || (busy && until <= now))
    if (this.#waiting.size === 0) sweep.remove(this)
    for (const { waiter } of late) {
      if (!waiter.gone) waiter.failed('upstream-busy', `no connection was free within ${queueTimeoutMs} ms`)
    }
  }

  /** Takes a connection with room out of the available ones: the last, or the least loaded when that has much to do. */
  #take(): PooledConnection | undefined {
    const available = this.#available
    for (let last = available.pop(); last !== undefined; last = available.pop()) {
      if (last.room === 0) continue
      if (last.load < SPREAD_AT || available.length === 0) return last
      available.push(last)
      const least = available.reduce((a, b) => (b.load < a.load ? b : a))
      available.splice(available.indexOf(least), 1)
      if (least.room > 0) return least
    }
    return undefined
  }

  get #mayDial(): boolean {
    const { maxConnections, multiplexed } = this.#options
    if (!multiplexed) return this.#open.size + this.#dialling < maxConnections
    // One serves whoever waits: they are opened one at a time. Those that are leaving may carry tunnels for a long time.
    if (this.#opening) return false
    let staying = 0
    for (const { leaving } of this.#open.values()) if (!leaving) staying += 1
    return staying < maxConnections
  }

  get #opening(): boolean {
    if (this.#dialling > 0) return true
    for (const { proven, leaving } of this.#open.values()) if (!proven && !leaving) return true
    return false
  }

  #wait(waiter: Waiter): void {
    const { clock, sweep, queueTimeoutMs, multiplexed } = this.#options
    if (this.#closed) {
      waiter.failed('no-endpoint', 'the endpoint was withdrawn')
      return
    }
    const dials = this.#mayDial
    const ownDial = dials && !multiplexed
    this.#waiting.push({ waiter, until: ownDial ? Number.POSITIVE_INFINITY : clock.monotonic() + queueTimeoutMs })
    if (dials) this.#dial()
    sweep.add(this)
  }

  #dial(): void {
    const era = this.#era
    this.#dialling += 1
    this.#options.dial((result) => {
      this.#dialling -= 1
      const current = era === this.#era
      if (result.kind === 'failed') {
        if (current) this.#openingFailed(result.code, result.message)
      } else if (current) this.#adopt(result)
      else result.socket.destroy()
      this.#dialForWaiting()
    })
  }

  /** Who waited for the connection hears of it: one, or everybody who was to share it. */
  #openingFailed(code: RefusalCode, message: string): void {
    if (this.#options.multiplexed && this.#available.length === 0) this.#failWaiting(code, message)
    else this.#next()?.failed(code, message)
  }

  /** Whoever waits has a connection being opened, as long as there may be more of them. */
  #dialForWaiting(): void {
    while (!this.#closed && this.#waiting.size > this.#dialling && this.#mayDial) this.#dial()
  }

  #adopt({ socket, follow, word }: Extract<Dialled, { kind: 'connected' }>): void {
    const { active, speak } = this.#options
    const connection = speak(socket, {
      onRoom: (connection) => this.#offer(connection),
      onLeaving: (connection) => this.#leave(connection),
      onClosed: (connection) => this.#forget(connection),
      onGoingAway: (error, debug) => word?.goingAway(error, debug),
    })
    const open: Open = { era: this.#era, word, unfollow: undefined, proven: false, leaving: false, given: false }
    this.#open.set(connection, open)
    active.add(1)
    open.unfollow = follow?.(connection)
    if (connection.room > 0) this.#offer(connection)
  }

  #offer(connection: PooledConnection): void {
    const open = this.#open.get(connection)
    if (open !== undefined) open.proven = true
    do {
      const waiter = this.#next()
      if (waiter === undefined) {
        if (!this.#options.keepsIdle) return connection.close()
        // A server that changes its mind about MAX_CONCURRENT_STREAMS makes room where there was some.
        if (!this.#options.multiplexed || !this.#available.includes(connection)) this.#available.push(connection)
        return
      }
      waiter.connected(connection)
    } while (this.#options.multiplexed && connection.room > 0)
    this.#dialForWaiting()
  }

  #leave(connection: PooledConnection): void {
    const open = this.#open.get(connection)
    if (open === undefined) return
    open.leaving = true
    this.#withdraw(connection)
    // Who waited for it would only meet the next refusal.
    if (open.word?.refusal !== undefined) this.#giveUp(open)
    this.#dialForWaiting()
  }

  #forget(connection: PooledConnection): void {
    const open = this.#open.get(connection)
    if (open === undefined) return
    open.unfollow?.()
    this.#open.delete(connection)
    this.#options.active.add(-1)
    this.#withdraw(connection)
    this.#giveUp(open)
    this.#dialForWaiting()
  }

  /** The connection came to nothing. One that was retired says nothing about the upstream. */
  #giveUp(open: Open): void {
    if (open.proven || open.given || open.era !== this.#era) return
    open.given = true
    const refusal = open.word?.refusal
    if (refusal !== undefined) this.#openingFailed('peer-refused-us', refusal)
    else this.#openingFailed('upstream-unreachable', open.word === undefined ? CLOSED : `${CLOSED}; ${MAY_BE}`)
  }

  #withdraw(connection: PooledConnection): void {
    const index = this.#available.indexOf(connection)
    if (index >= 0) this.#available.splice(index, 1)
  }

  /** The first request that still waits. */
  #next(): Waiter | undefined {
    for (let first = this.#waiting.shift(); first !== undefined; first = this.#waiting.shift()) {
      if (!first.waiter.gone) return first.waiter
    }
    return undefined
  }

  /** Those who wait now: who is told may ask again. */
  #failWaiting(code: RefusalCode, message: string): void {
    this.#options.sweep.remove(this)
    for (const { waiter } of this.#waiting.remove(() => true)) if (!waiter.gone) waiter.failed(code, message)
  }
}
