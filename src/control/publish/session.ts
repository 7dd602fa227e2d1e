import type { VerifiedPeer } from '../../identity/verify.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import { nameOf, resourceKey } from '../../policy/model.ts'
import type { ServerDuplex } from '../../rpc/stream.ts'
import type { EncodedPolicyUpdate } from '../../wire/outrider/policy/v1/EncodedPolicyUpdate.ts'
import type { HealthReport__Output } from '../../wire/outrider/policy/v1/HealthReport.ts'
import type { Hello__Output } from '../../wire/outrider/policy/v1/Hello.ts'
import type { InboundListener__Output } from '../../wire/outrider/policy/v1/InboundListener.ts'
import type { Nack__Output } from '../../wire/outrider/policy/v1/Nack.ts'
import type { SubscribeRequest__Output } from '../../wire/outrider/policy/v1/SubscribeRequest.ts'
import { type InFlight, refusedBy, violationsOf } from './answer.ts'
import type { Difference, Held, HeldResource } from './diff.ts'
import { usesOf } from './api-key-use.ts'
import { protocolError } from './protocol-error.ts'
import { type TrustReport, trustOf } from './trust-report.ts'

export interface SessionOptions {
  /** A change waits this long for others, in milliseconds, each of which makes it wait anew ... */
  readonly debounceMs: number
  /** ... but never longer than this. */
  readonly debounceMaxMs: number
  /** First delay before a sidecar is sent again what it refused; doubles to a minute. */
  readonly nackBackoffMs: number
}

/** What a session tells its owner. */
export interface SessionEvents {
  /** The sidecar has said who it is; a throw ends the stream. */
  hello(session: Session): void
  /** It is time to look for something to send. */
  due(session: Session): void
  listening(session: Session, listeners: readonly InboundListener__Output[]): void
  draining(session: Session): void
  /** Secrets of API keys by their IDs, and when each was last good there. */
  apiKeysUsed(session: Session, uses: ReadonlyMap<string, number>): void
  health(session: Session, report: HealthReport__Output): void
  /** `names`: of the resources that the answered update brought or took away. */
  answered(session: Session, result: 'acked' | 'nacked' | 'stale', names: readonly HeldResource['name'][]): void
  /** A timer of the session threw. Returns what the sidecar may be told. */
  failed(session: Session, thrown: unknown): OutriderError
  closed(session: Session): void
}

export type SyncState = 'synced' | 'pending' | 'lagging' | 'nacked' | 'draining'

/** Pending for longer than this is lagging. */
export const LAG_MS = 10_000

const HELLO_TIMEOUT_MS = 10_000
const MAX_BACKOFF_MS = 60_000
/** A sidecar that does not answer an update is ended: connected anew, it says what it holds. */
const ANSWER_TIMEOUT_MS = 60_000
/** A sidecar that keeps answering what was not asked is broken; its noise must not fill the log. */
const MAX_STALE_ANSWERS = 32
/** The revision of what a sidecar refused: equal to no other. */
const BROKEN = -1
const SIDECAR_ID = /^[\w.-]{1,253}$/
const PROGRAM_VERSION = /^[\w.+-]{0,64}$/

/**
 * One policy stream. Knows what its sidecar holds, has at most one update in flight and merges what changes meanwhile
 * into the next one, so that a slow sidecar costs one entry per resource and never a queue.
 */
export class Session {
  readonly peer: VerifiedPeer
  readonly connectedAtMs: number
  sidecarId = ''
  programVersion = ''
  /** Revision of the store in the last update that was acknowledged, and in the last one that was sent. */
  appliedRevision = 0
  sentRevision = 0
  /** Of the policy that the sidecar had in force when it said hello; 0: none. */
  revisionAtHello = 0
  lastSeenMs: number
  violations: readonly string[] = []
  /** What the sidecar last said that it believes and depends on. */
  trust: TrustReport | undefined

  readonly #stream: ServerDuplex<SubscribeRequest__Output, EncodedPolicyUpdate>
  readonly #options: SessionOptions
  readonly #events: SessionEvents
  readonly #clock: Clock
  readonly #backoff: Backoff
  readonly #held = new Map<string, HeldResource>()
  /** What the sidecar refused, at which revision: not sent again before the back-off is over. */
  readonly #refused = new Map<string, number>()
  readonly #timers = new Set<Timer>()
  #phase: 'greeting' | 'open' | 'over' = 'greeting'
  #draining = false
  #inFlight: InFlight | undefined
  /** The changes of this debounce window came since then. */
  #windowOpenedMs: number | undefined
  #window: Timer | undefined
  /** A window closed while an update was in flight. */
  #waiting = false
  #retry: Timer | undefined
  #sequence = 0
  #stale = 0
  /** Since when there is something that the sidecar has not acknowledged, in monotonic milliseconds. */
  #pendingSinceMs: number | undefined
  /** Ends the stream when the update in flight stays without an answer. */
  #answer: Timer | undefined
  /** How often the sidecar is to report its health, and what it was last told. */
  #healthEveryMs = 0
  #toldHealthEveryMs = 0

  constructor(
    stream: ServerDuplex<SubscribeRequest__Output, EncodedPolicyUpdate>,
    peer: VerifiedPeer,
    options: SessionOptions,
    events: SessionEvents,
    clock: Clock,
    random: Random,
  ) {
    this.#stream = stream
    this.peer = peer
    this.#options = options
    this.#events = events
    this.#clock = clock
    this.#backoff = new Backoff({ initialMs: options.nackBackoffMs, maxMs: MAX_BACKOFF_MS, jitter: 0.1 }, random)
    this.connectedAtMs = clock.now()
    this.lastSeenMs = this.connectedAtMs
    const greeting = this.#after(HELLO_TIMEOUT_MS, () => {
      this.end(protocolError(`no hello within ${HELLO_TIMEOUT_MS} ms`))
    })
    this.#after(peer.notAfterMs - clock.now(), () => {
      this.end(new OutriderError('svid-expired', 'the SVID of this stream has expired: connect with the new one'))
    })
    stream.onMessage((message) => {
      this.lastSeenMs = clock.now()
      greeting.cancel()
      this.#receive(message)
    })
    stream.onEnd(() => this.end())
    stream.onClose(() => this.#over())
  }

  get held(): Held {
    return this.#held
  }

  /** Why the sidecar does not act by the resource with this key; undefined: it does, or does not have it. */
  refusalOf(key: string): string | undefined {
    if (!this.#refused.has(key)) return undefined
    const prefix = `${key}: `
    const own = this.violations.find((violation) => violation.startsWith(prefix))
    return own?.slice(prefix.length) ?? this.violations[0] ?? 'no reason given'
  }

  get state(): SyncState {
    if (this.#draining) return 'draining'
    if (this.#inFlight !== undefined || this.#window !== undefined || this.#awaitsFirst)
      return this.pendingMs > LAG_MS ? 'lagging' : 'pending'
    return this.#refused.size > 0 ? 'nacked' : 'synced'
  }

  /** For how long something has been on its way to the sidecar, in milliseconds; 0 when it has acknowledged all. */
  get pendingMs(): number {
    return this.#pendingSinceMs === undefined ? 0 : this.#clock.monotonic() - this.#pendingSinceMs
  }

  /** From the next update on, which comes soon, the sidecar reports its health so often; 0: never. */
  askHealth(everyMs: number): void {
    if (this.#healthEveryMs === everyMs) return
    this.#healthEveryMs = everyMs
    this.wake()
  }

  /** An update is due although nothing may have changed. */
  get isToBeAsked(): boolean {
    return this.#healthEveryMs !== this.#toldHealthEveryMs
  }

  /** Something that concerns this sidecar has changed: `due` follows when the debounce window closes. */
  wake(): void {
    if (this.#phase !== 'open') return
    const now = this.#clock.monotonic()
    this.#windowOpenedMs ??= now
    this.#pendingSinceMs ??= now
    const { debounceMs, debounceMaxMs } = this.#options
    const delay = Math.min(debounceMs, this.#windowOpenedMs + debounceMaxMs - now)
    if (this.#window !== undefined) this.#cancel(this.#window)
    this.#window = this.#after(delay, () => {
      this.#window = undefined
      this.#windowOpenedMs = undefined
      this.#due()
    })
  }

  /** Leaves out what the sidecar refused a moment ago in this very form. */
  withoutRefused({ changed, removed }: Difference): Difference {
    const isNews = ({ resource, revision }: Difference['changed'][number]): boolean =>
      this.#refused.get(resourceKey(nameOf(resource))) !== revision
    return { changed: changed.filter(isNews), removed }
  }

  /** Has said hello, and was not sent anything: this server has to learn first what the sidecar knows. */
  get #awaitsFirst(): boolean {
    return this.#phase === 'open' && this.isNew
  }

  /** True until the first update: it is sent even when there is nothing in it, so that the sidecar knows where it is. */
  get isNew(): boolean {
    return this.#sequence === 0
  }

  /** Sends one update; there must be none in flight. `encoded` is on the wire what `difference.changed` is here. */
  send(revision: number, { changed, removed }: Difference, encoded: readonly Buffer[]): void {
    this.#sequence += 1
    const nonce = String(this.#sequence)
    const sent = changed.map(({ resource, revision }) => ({ name: nameOf(resource), revision }))
    this.#inFlight = { nonce, revision, changed: sent, removed }
    this.sentRevision = revision
    this.#pendingSinceMs ??= this.#clock.monotonic()
    const reportHealthEveryMs = this.#healthEveryMs
    this.#toldHealthEveryMs = reportHealthEveryMs
    this.#answer = this.#after(ANSWER_TIMEOUT_MS, () => {
      this.end(
        new OutriderError('update-unanswered', `an update was not answered within ${ANSWER_TIMEOUT_MS / 1000} s`, {
          retryable: true,
        }),
      )
    })
    this.#stream.send({ revision, nonce, changed: [...encoded], removed: [...removed], reportHealthEveryMs })
  }

  end(error?: OutriderError): void {
    this.#stream.end(error)
    this.#over()
  }

  #receive(message: SubscribeRequest__Output): void {
    if (this.#phase === 'over') return
    if (message.message !== 'hello' && this.#phase === 'greeting') throw protocolError('the first message is no hello')
    switch (message.message) {
      case 'hello':
        this.#hello(message.hello!)
        break
      case 'ack':
        this.#answered(message.ack!.nonce)
        break
      case 'nack':
        this.#answered(message.nack!.nonce, message.nack!)
        break
      case 'listening':
        this.#draining = false
        this.#events.listening(this, message.listening!.listeners)
        break
      case 'draining':
        this.#draining = true
        this.#events.draining(this)
        break
      case 'trustReport':
        this.trust = trustOf(message.trustReport!, this.#clock.now())
        break
      case 'healthReport':
        // One that was sent before the sidecar was told to stop.
        if (this.#healthEveryMs > 0) this.#events.health(this, message.healthReport!)
        break
      case 'apiKeyUse':
        this.#events.apiKeysUsed(this, usesOf(message.apiKeyUse!, this.#clock.now()))
        break
      case undefined:
        throw protocolError('an empty message, or one of a later version')
    }
  }

  #hello({ sidecarId, programVersion, held, revision }: Hello__Output): void {
    if (this.#phase !== 'greeting') throw protocolError('hello came twice')
    if (!SIDECAR_ID.test(sidecarId) || !PROGRAM_VERSION.test(programVersion)) {
      throw protocolError('the sidecar ID has 1 to 253, the program version up to 64 letters, digits, dots, dashes')
    }
    this.sidecarId = sidecarId
    this.programVersion = programVersion
    this.revisionAtHello = revision
    this.#pendingSinceMs ??= this.#clock.monotonic()
    for (const { name, revision } of held) {
      if (name !== null) this.#held.set(resourceKey(name), { name, revision })
    }
    this.#phase = 'open'
    this.#events.hello(this)
    this.#due()
  }

  #due(): void {
    if (this.#inFlight !== undefined) {
      this.#waiting = true
      return
    }
    this.#events.due(this)
    this.#settle()
  }

  /** Nothing waits for the sidecar any more, unless something does. */
  #settle(): void {
    if (this.#inFlight === undefined && this.#window === undefined && !this.#awaitsFirst)
      this.#pendingSinceMs = undefined
  }

  #answered(nonce: string, nack?: Nack__Output): void {
    const update = this.#inFlight
    if (update?.nonce !== nonce) {
      this.#stale += 1
      if (this.#stale > MAX_STALE_ANSWERS) throw protocolError(`more than ${MAX_STALE_ANSWERS} answers to no update`)
      this.#events.answered(this, 'stale', [])
      return
    }
    this.#inFlight = undefined
    if (this.#answer !== undefined) this.#cancel(this.#answer)
    const refused = nack === undefined ? new Set<string>() : refusedBy(nack, update)
    for (const { name, revision } of update.changed) {
      const key = resourceKey(name)
      if (refused.has(key)) {
        // It has it, broken: to be taken away when it is no longer wanted, and sent anew as long as it is.
        this.#held.set(key, { name, revision: BROKEN })
        this.#refused.set(key, revision)
      } else {
        this.#held.set(key, { name, revision })
        this.#refused.delete(key)
      }
    }
    for (const name of update.removed) {
      this.#held.delete(resourceKey(name))
      this.#refused.delete(resourceKey(name))
    }
    if (nack === undefined) this.#acked(update)
    else this.#nacked(nack)
    const names = [...update.changed.map(({ name }) => name), ...update.removed]
    this.#events.answered(this, nack === undefined ? 'acked' : 'nacked', names)
    if (this.#waiting) {
      this.#waiting = false
      this.#due()
    } else this.#settle()
  }

  #acked({ revision }: InFlight): void {
    this.appliedRevision = revision
    if (this.#refused.size > 0) return
    this.violations = []
    this.#backoff.reset()
    if (this.#retry !== undefined) this.#cancel(this.#retry)
    this.#retry = undefined
  }

  #nacked(nack: Nack__Output): void {
    this.violations = violationsOf(nack)
    this.#retry ??= this.#after(this.#backoff.next(), () => {
      this.#retry = undefined
      this.#refused.clear()
      this.#due()
    })
  }

  #over(): void {
    if (this.#phase === 'over') return
    const greeted = this.#phase === 'open'
    this.#phase = 'over'
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    if (greeted) this.#events.closed(this)
  }

  #after(delayMs: number, task: () => void): Timer {
    const timer = this.#clock.after(delayMs, () => {
      this.#timers.delete(timer)
      try {
        task()
      } catch (thrown) {
        this.end(this.#events.failed(this, thrown))
      }
    })
    this.#timers.add(timer)
    return timer
  }

  #cancel(timer: Timer): void {
    timer.cancel()
    this.#timers.delete(timer)
  }
}
