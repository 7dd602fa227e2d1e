import type { Socket } from 'node:net'
import type { Ending } from '../http/exchange.ts'
import type { Drainable } from '../lib/drain.ts'
import type { AuthorityUses } from './trust-report.ts'

/** One accepted connection, for the admin page. */
export interface ConnectionRecord {
  readonly listener: 'inbound' | 'outbound'
  /** Address and port of the other end. */
  readonly remote: string
  /** The peer's SPIFFE ID, or why there is none. */
  readonly peer: string
  readonly openedAtMs: number
  /** Wall-clock time at which it is cut. */
  readonly expiresAtMs: number
  readonly requests: number
  /** SHA-256, hexadecimal, of the roots that the SVIDs of both sides end at; none without mutual TLS. */
  readonly authorities: readonly string[]
}

/** One accepted connection, for draining. */
export interface OpenConnection extends ConnectionRecord {
  requests: number
  /** Ends after its next response. */
  retire(): void
  /** Ends after the exchange under way; at once when there is none. */
  close(): void
  /** With an ending, what is under way on it ends by that. */
  destroy(ending?: Ending): void
}

/** All accepted connections of one data plane; bounded by `maxConnections` per listener. */
export class Connections implements Drainable {
  readonly #open = new Set<OpenConnection>()
  /** What a connection that comes late is told at once. */
  #leaving: 'retire' | 'close' | 'destroy' | undefined
  #onEmpty: (() => void)[] = []

  add(connection: OpenConnection): void {
    this.#open.add(connection)
    if (this.#leaving !== undefined) connection[this.#leaving]()
  }

  remove(connection: OpenConnection): void {
    this.#open.delete(connection)
    if (this.#open.size > 0) return
    for (const tell of this.#onEmpty.splice(0)) tell()
  }

  all(): Iterable<OpenConnection> {
    return this.#open
  }

  list(): readonly ConnectionRecord[] {
    return [...this.#open].map(({ listener, remote, peer, openedAtMs, expiresAtMs, requests, authorities }) => ({
      listener,
      remote,
      peer,
      openedAtMs,
      expiresAtMs,
      requests,
      authorities,
    }))
  }

  /** By the root that one side's SVID ends at. */
  authorityUses(): AuthorityUses {
    const uses = new Map<string, number>()
    for (const { authorities } of this.#open) {
      for (const authority of authorities) uses.set(authority, (uses.get(authority) ?? 0) + 1)
    }
    return uses
  }

  retire(): void {
    this.#leaving = 'retire'
    for (const connection of this.#open) connection.retire()
  }

  close(): Promise<void> {
    this.#leaving = 'close'
    for (const connection of this.#open) connection.close()
    return this.whenEmpty()
  }

  whenEmpty(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onEmpty.push(resolve)
    })
  }

  destroy(): void {
    this.#leaving = 'destroy'
    for (const connection of this.#open) connection.destroy()
  }
}

export function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`
}
