import type { Clock, Timer } from '../lib/clock.ts'
import { timestampOf } from '../lib/protobuf-time.ts'
import type { ApiKeyUse } from '../wire/outrider/policy/v1/ApiKeyUse.ts'

export interface ApiKeyReporterOptions {
  /** Which API keys were good since it was last asked, and when last. */
  readonly take: () => Promise<ReadonlyMap<string, number>>
  /** False when nobody could be told. */
  readonly send: (use: ApiKeyUse) => boolean
  readonly clock: Clock
  readonly onFailed: (thrown: unknown) => void
}

const EVERY_MS = 60_000
/** As many as the control server takes in one message. */
const MOST = 1000

/** Tells the control server once a minute which API keys were used, when any were. What does not fit goes with the next minute's. */
export class ApiKeyReporter {
  readonly #options: ApiKeyReporterOptions
  readonly #untold = new Map<string, number>()
  #timer: Timer | undefined
  #closed = false

  constructor(options: ApiKeyReporterOptions) {
    this.#options = options
    this.#arm()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#options.clock.after(EVERY_MS, () => void this.#report())
  }

  async #report(): Promise<void> {
    const { take, send, onFailed } = this.#options
    try {
      for (const [id, lastMs] of await take()) this.#untold.set(id, lastMs)
      if (this.#closed) return
      const told = [...this.#untold].slice(0, MOST)
      const secrets = told.map(([id, lastMs]) => ({ id, lastUsed: timestampOf(lastMs) }))
      if (told.length > 0 && send({ secrets })) for (const [id] of told) this.#untold.delete(id)
    } catch (thrown) {
      onFailed(thrown)
    }
    if (!this.#closed) this.#arm()
  }
}
