import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../telemetry/log.ts'

/** A server that is down fails for each token: one line about it in so long. */
const QUIET_MS = 10_000
/** Servers that are told apart; those of a policy are fewer, and of policies that are gone nobody is left to be told. */
const MAX_SERVERS = 64

interface Server {
  saidAtMs: number
  /** Since then. */
  failures: number
}

/** Says in the log that authorization servers give no answers, at a bounded rate: requests of strangers must not fill it. */
export class FailureLog {
  readonly #log: Logger
  readonly #clock: Clock
  readonly #servers = new Map<string, Server>()

  constructor(log: Logger, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  report(endpoint: string, error: unknown): void {
    const now = this.#clock.monotonic()
    const server = this.#servers.get(endpoint)
    if (server !== undefined && now - server.saidAtMs < QUIET_MS) {
      server.failures += 1
      return
    }
    if (this.#servers.size >= MAX_SERVERS) this.#servers.clear()
    this.#servers.set(endpoint, { saidAtMs: now, failures: 0 })
    const unsaid = server === undefined || server.failures === 0 ? {} : { failuresBefore: server.failures }
    this.#log.warn({ endpoint, error, ...unsaid }, 'an authorization server gave no answer about a token')
  }
}
