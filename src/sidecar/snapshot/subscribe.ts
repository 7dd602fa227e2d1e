import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import type { ClientDuplex } from '../../rpc/client.ts'
import type { ApiKeyUse } from '../../wire/outrider/policy/v1/ApiKeyUse.ts'
import type { HealthReport } from '../../wire/outrider/policy/v1/HealthReport.ts'
import type { InboundListener } from '../../wire/outrider/policy/v1/InboundListener.ts'
import type { PolicyUpdate__Output } from '../../wire/outrider/policy/v1/PolicyUpdate.ts'
import type { TrustReport } from '../../wire/outrider/policy/v1/TrustReport.ts'
import type { SubscribeRequest } from '../../wire/outrider/policy/v1/SubscribeRequest.ts'
import { takeUpdate } from './path.ts'
import type { Snapshot } from './snapshot.ts'

export interface SubscriptionOptions {
  readonly open: () => ClientDuplex<SubscribeRequest, PolicyUpdate__Output>
  readonly snapshot: Snapshot
  /** Calls back when the policy of the snapshot is in force everywhere. */
  readonly whenInForce: (inForce: () => void) => void
  /** The control server wants a report of our health so often, in milliseconds; 0: it does not. */
  readonly onHealthAsked: (everyMs: number) => void
  readonly sidecarId: string
  readonly programVersion: string
  readonly clock: Clock
  readonly random: Random
}

/** The whole delay is random: sidecars that lose their streams at the same moment do not come back at the same moment. */
export const RECONNECT = { initialMs: 100, maxMs: 5_000, jitter: 1 }

/**
 * Keeps one policy stream to the control server open. While it is down the policy in force stays in force; after a reconnect
 * only the difference travels.
 */
export class Subscription {
  readonly #options: SubscriptionOptions
  readonly #backoff: Backoff
  #stream: ClientDuplex<SubscribeRequest, PolicyUpdate__Output> | undefined
  #listeners: readonly InboundListener[] | undefined
  #trust: TrustReport | undefined
  #draining = false
  #closed = false
  #retry: Timer | undefined
  #refusal: OutriderError | undefined

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.#backoff = new Backoff(RECONNECT, options.random)
    this.#connect()
  }

  /** Our inbound listeners are open: the server adds them to the endpoints of what we serve. */
  listening(listeners: readonly InboundListener[]): void {
    this.#listeners = listeners
    this.#stream?.send({ listening: { listeners: [...listeners] } })
  }

  /** What we believe, and which roots we depend on. */
  trust(report: TrustReport): void {
    this.#trust = report
    this.#stream?.send({ trustReport: report })
  }

  /** What became of our requests; dropped while there is no stream. */
  health(report: HealthReport): void {
    this.#stream?.send({ healthReport: report })
  }

  /** Which API keys were used. False when there is no stream to say it on. */
  apiKeysUsed(use: ApiKeyUse): boolean {
    this.#stream?.send({ apiKeyUse: use })
    return this.#stream !== undefined
  }

  /** Begins anew, with the SVID that we have now. */
  reopen(): void {
    const previous = this.#stream
    if (previous === undefined || this.#closed) return
    this.#stream = undefined
    previous.cancel()
    this.#connect()
  }

  /** Why the control server, which is there, gives us no policy; undefined where it does, or did not answer. */
  get refusal(): OutriderError | undefined {
    return this.#refusal
  }

  /** We are about to stop: the server takes our endpoints away. */
  draining(): void {
    this.#draining = true
    this.#stream?.send({ draining: {} })
  }

  close(): void {
    this.#closed = true
    this.#retry?.cancel()
    this.#stream?.finish()
    this.#stream?.cancel()
  }

  #connect(): void {
    const { open, snapshot, whenInForce, sidecarId, programVersion } = this.#options
    const stream = open()
    this.#stream = stream
    stream.onMessage((update) => {
      if (this.#stream !== stream) return
      this.#backoff.reset()
      this.#refusal = undefined
      snapshot.metrics.controlConnected.set(1)
      const answer = takeUpdate(update, snapshot)
      this.#options.onHealthAsked(update.reportHealthEveryMs)
      whenInForce(() => {
        if (this.#stream === stream) stream.send(answer)
      })
    })
    stream.onEnd((error) => {
      if (this.#stream === stream) this.#ended(error)
    })
    // What could not be read is held at no revision: the server sends it again, and learns again that it is broken.
    const held = [...snapshot.held.values()].map(({ ok, name, revision }) => ({ name, revision: ok ? revision : 0 }))
    stream.send({ hello: { sidecarId, programVersion, held, revision: snapshot.revision } })
    if (this.#trust !== undefined) stream.send({ trustReport: this.#trust })
    if (this.#draining) stream.send({ draining: {} })
    else if (this.#listeners !== undefined) stream.send({ listening: { listeners: [...this.#listeners] } })
  }

  #ended(error: unknown): void {
    this.#stream = undefined
    const { snapshot, clock } = this.#options
    snapshot.metrics.controlConnected.set(0)
    this.#options.onHealthAsked(0)
    snapshot.outOfStep()
    this.#refusal = isRefusal(error) ? error : undefined
    if (this.#closed) return
    const retryInMs = Math.round(this.#backoff.next())
    const reason = error === undefined ? 'ended by the server' : describeError(error)
    snapshot.log.warn(
      { reason, retryInMs, revision: snapshot.revision },
      'policy stream lost; the policy stays in force',
    )
    this.#retry = clock.after(retryInMs, () => this.#connect())
  }
}

/** A code of a server that speaks our protocol, and not the absence of one, which the codes of gRPC stand for. */
function isRefusal(error: unknown): error is OutriderError {
  return error instanceof OutriderError && !error.retryable && !error.code.startsWith('rpc-')
}
