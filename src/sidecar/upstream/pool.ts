import type { Duplex } from 'node:stream'
import type { ClientConnection } from '../../http/exchange.ts'
import { H1ClientConnection } from '../../http/h1/client.ts'
import type { HttpLimits } from '../../http/limits.ts'
import type { ProtocolFaultCode } from '../../http/protocol-fault.ts'
import type { Sweep, Sweepable } from '../../http/sweep.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { Fifo } from '../../lib/fifo.ts'
import type { Gauge } from '../../telemetry/series.ts'
import type { RefusalCode } from '../refusal.ts'

export type Dialled =
  /** `expiresAtMs`: wall-clock time from which nothing may be sent on it. */
  | { readonly kind: 'connected'; readonly socket: Duplex; readonly expiresAtMs: number }
  | { readonly kind: 'failed'; readonly code: RefusalCode; readonly message: string }

/** Opens one connection and answers once. */
export type Dial = (done: (result: Dialled) => void) => void

/** A request that needs a connection. */
export interface Waiter {
  /** The request was given up: it gets nothing. */
  readonly gone: boolean
  connected(connection: ClientConnection): void
  failed(code: RefusalCode, message: string): void
}

export interface PoolOptions {
  readonly dial: Dial
  readonly limits: HttpLimits
  readonly maxConnections: number
  readonly queueTimeoutMs: number
  readonly sweep: Sweep
  readonly clock: Clock
  readonly active: Gauge
  readonly onFault: (code: ProtocolFaultCode) => void
}

interface Waiting {
  readonly waiter: Waiter
  /** Monotonic. Infinite for whom a connection is being opened: that has a time-out of its own. */
  readonly until: number
}

/** A connection takes no more exchanges this long before it expires; what is not over when it does, is cut. */
const EXPIRY_MARGIN = 0.05
const LONGEST_EXPIRY_MARGIN_MS = 10_000

/**
 * The connections to one endpoint. The one used last is used first, so that what is not needed grows old and closes.
 * Requests wait in order of arrival, only while all connections are busy, and no longer than `queueTimeoutMs`.
 */
export class UpstreamPool implements Sweepable {
  readonly #options: PoolOptions
  readonly #idle: H1ClientConnection[] = []
  readonly #open = new Map<H1ClientConnection, Timer | undefined>()
  readonly #waiting = new Fifo<Waiting>()
  #dialling = 0
  /** Rises with each `retire`: what was dialled in an earlier era is not used. */
  #era = 0
  #closed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Requests under way or waiting: what a balancer compares. */
  get load(): number {
    return this.#open.size - this.#idle.length + this.#waiting.size
  }

  /** Always due: `expired` looks at every waiter itself. The pool is swept only while somebody waits. */
  readonly deadline: number = Number.NEGATIVE_INFINITY

  /** Gives `waiter` a connection, at once when one is idle. */
  acquire(waiter: Waiter): void {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.ready) {
        waiter.connected(connection)
        return
      }
    }
    this.#wait(waiter)
  }

  /** As `acquire`, but on no connection that lies idle: for what failed on one that had lain idle too long. */
  acquireFresh(waiter: Waiter): void {
    this.#wait(waiter)
  }

  /** Our identity changed, or the endpoint's: idle connections close now, the others after their exchange. */
  retire(): void {
    this.#era += 1
    for (const connection of this.#open.keys()) connection.close()
    this.#idle.length = 0
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
    const { clock, queueTimeoutMs, sweep } = this.#options
    const now = clock.monotonic()
    const late = this.#waiting.remove(({ until, waiter }) => until <= now || waiter.gone)
    if (this.#waiting.size === 0) sweep.remove(this)
    for (const { waiter } of late) {
      if (!waiter.gone) waiter.failed('upstream-busy', `no connection was free within ${queueTimeoutMs} ms`)
    }
  }

  #wait(waiter: Waiter): void {
    const { clock, sweep, queueTimeoutMs, maxConnections } = this.#options
    if (this.#closed) {
      waiter.failed('no-endpoint', 'the endpoint was withdrawn')
      return
    }
    const dials = this.#open.size + this.#dialling < maxConnections
    this.#waiting.push({ waiter, until: dials ? Number.POSITIVE_INFINITY : clock.monotonic() + queueTimeoutMs })
    if (dials) this.#dial()
    else sweep.add(this)
  }

  #dial(): void {
    const era = this.#era
    this.#dialling += 1
    this.#options.dial((result) => {
      this.#dialling -= 1
      const current = era === this.#era
      if (result.kind === 'failed') {
        if (current) this.#next()?.failed(result.code, result.message)
      } else if (current) this.#adopt(result.socket, result.expiresAtMs)
      else result.socket.destroy()
      this.#dialForWaiting()
    })
  }

  /** Whoever waits has a connection being opened, as long as there may be more of them. */
  #dialForWaiting(): void {
    const { maxConnections } = this.#options
    while (!this.#closed && this.#waiting.size > this.#dialling && this.#open.size + this.#dialling < maxConnections) {
      this.#dial()
    }
  }

  #adopt(socket: Duplex, expiresAtMs: number): void {
    const { limits, sweep, clock, active, onFault } = this.#options
    const connection: H1ClientConnection = new H1ClientConnection(socket, {
      limits,
      sweep,
      onFault,
      onIdle: (idle) => this.#offer(idle),
      onClosed: (closed) => this.#forget(closed),
    })
    this.#open.set(connection, this.#closeBefore(connection, expiresAtMs, clock))
    active.add(1)
    this.#offer(connection)
  }

  #closeBefore(connection: H1ClientConnection, expiresAtMs: number, clock: Clock): Timer | undefined {
    if (expiresAtMs === Number.POSITIVE_INFINITY) return undefined
    const left = expiresAtMs - clock.now()
    const margin = Math.min(LONGEST_EXPIRY_MARGIN_MS, left * EXPIRY_MARGIN)
    return clock.after(left - margin, () => {
      this.#open.set(
        connection,
        clock.after(margin, () => connection.destroy()),
      )
      connection.close()
    })
  }

  #offer(connection: H1ClientConnection): void {
    const waiter = this.#next()
    if (waiter === undefined) this.#idle.push(connection)
    else waiter.connected(connection)
  }

  #forget(connection: H1ClientConnection): void {
    this.#open.get(connection)?.cancel()
    if (!this.#open.delete(connection)) return
    this.#options.active.add(-1)
    const index = this.#idle.indexOf(connection)
    if (index >= 0) this.#idle.splice(index, 1)
    this.#dialForWaiting()
  }

  /** The first request that still waits. */
  #next(): Waiter | undefined {
    for (let first = this.#waiting.shift(); first !== undefined; first = this.#waiting.shift()) {
      if (!first.waiter.gone) return first.waiter
    }
    return undefined
  }

  #failWaiting(code: RefusalCode, message: string): void {
    this.#options.sweep.remove(this)
    for (let waiter = this.#next(); waiter !== undefined; waiter = this.#next()) waiter.failed(code, message)
  }
}
