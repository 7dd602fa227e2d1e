import type { VerifiedPeer } from '../../identity/verify.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import { nameOf, resourceKey } from '../../policy/model.ts'
import { millisecondsOf } from '../../lib/protobuf-time.ts'
import type { ServerDuplex } from '../../rpc/stream.ts'
import type { ApiKeyUse__Output } from '../../wire/outrider/policy/v1/ApiKeyUse.ts'
import type { Hello__Output } from '../../wire/outrider/policy/v1/Hello.ts'
import type { InboundListener__Output } from '../../wire/outrider/policy/v1/InboundListener.ts'
import type { Nack__Output } from '../../wire/outrider/policy/v1/Nack.ts'
import type { PolicyUpdate } from '../../wire/outrider/policy/v1/PolicyUpdate.ts'
import type { Resource } from '../../wire/outrider/policy/v1/Resource.ts'
import type { TrustReport__Output } from '../../wire/outrider/policy/v1/TrustReport.ts'
import type { SubscribeRequest__Output } from '../../wire/outrider/policy/v1/SubscribeRequest.ts'
import type { Difference, Held, HeldResource } from './diff.ts'

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
  answered(session: Session, result: 'acked' | 'nacked' | 'stale'): void
  /** A timer of the session threw. Returns what the sidecar may be told. */
  failed(session: Session, thrown: unknown): OutriderError
  closed(session: Session): void
}

export type SyncState = 'synced' | 'pending' | 'nacked' | 'draining'

const HELLO_TIMEOUT_MS = 10_000
const MAX_BACKOFF_MS = 60_000
/** A sidecar that keeps answering what was not asked is broken; its noise must not fill the log. */
const MAX_STALE_ANSWERS = 32
const MAX_VIOLATIONS_KEPT = 20
const MAX_VIOLATION_TEXT = 300
const MAX_TRUST_ENTRIES = 256
/** In one report. */
const MAX_API_KEY_USES = 1000
/** The revision of what a sidecar refused: equal to no other. */
const BROKEN = -1
const SIDECAR_ID = /^[\w.-]{1,253}$/
const PROGRAM_VERSION = /^[\w.+-]{0,64}$/

/** What a sidecar says of the roots; authorities by their SHA-256, hexadecimal. */
export interface TrustReport {
  /** Of its bundles, by trust domain. */
  readonly sequences: ReadonlyMap<string, number>
  readonly svidAuthority: string
  /** Open connections by the authority that one side's SVID ends at. */
  readonly connections: ReadonlyMap<string, number>
  /** How far the clock of the sidecar is before ours; the time that the report travelled makes it less. */
  readonly clockAheadMs: number
}

interface InFlight {
  readonly nonce: string
  readonly revision: number
  readonly changed: readonly HeldResource[]
  readonly removed: readonly HeldResource['name'][]
}

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
  lastSeenMs: number
  violations: readonly string[] = []
  /** What the sidecar last said that it believes and depends on. */
  trust: TrustReport | undefined

  readonly #stream: ServerDuplex<SubscribeRequest__Output, PolicyUpdate>
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

  constructor(
    stream: ServerDuplex<SubscribeRequest__Output, PolicyUpdate>,
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

  get state(): SyncState {
    if (this.#draining) return 'draining'
    if (this.#inFlight !== undefined || this.#window !== undefined) return 'pending'
    return this.#refused.size > 0 ? 'nacked' : 'synced'
  }

  /** Something that concerns this sidecar has changed: `due` follows when the debounce window closes. */
  wake(): void {
    if (this.#phase !== 'open') return
    const now = this.#clock.monotonic()
    this.#windowOpenedMs ??= now
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

  /** True until the first update: it is sent even when there is nothing in it, so that the sidecar knows where it is. */
  get isNew(): boolean {
    return this.#sequence === 0
  }

  /** Sends one update; there must be none in flight. `changed` is on the wire what `difference.changed` is here. */
  send(revision: number, { changed, removed }: Difference, wire: readonly Resource[]): void {
    this.#sequence += 1
    const nonce = String(this.#sequence)
    const sent = changed.map(({ resource, revision }) => ({ name: nameOf(resource), revision }))
    this.#inFlight = { nonce, revision, changed: sent, removed }
    this.sentRevision = revision
    this.#stream.send({ revision, nonce, changed: [...wire], removed: [...removed] })
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
      case 'apiKeyUse':
        this.#events.apiKeysUsed(this, usesOf(message.apiKeyUse!, this.#clock.now()))
        break
      case undefined:
        throw protocolError('an empty message, or one of a later version')
    }
  }

  #hello({ sidecarId, programVersion, held }: Hello__Output): void {
    if (this.#phase !== 'greeting') throw protocolError('hello came twice')
    if (!SIDECAR_ID.test(sidecarId) || !PROGRAM_VERSION.test(programVersion)) {
      throw protocolError('the sidecar ID has 1 to 253, the program version up to 64 letters, digits, dots, dashes')
    }
    this.sidecarId = sidecarId
    this.programVersion = programVersion
    for (const { name, revision } of held) {
      if (name !== null) this.#held.set(resourceKey(name), { name, revision })
    }
    this.#phase = 'open'
    this.#events.hello(this)
    this.#due()
  }

  #due(): void {
    if (this.#inFlight === undefined) this.#events.due(this)
    else this.#waiting = true
  }

  #answered(nonce: string, nack?: Nack__Output): void {
    const update = this.#inFlight
    if (update?.nonce !== nonce) {
      this.#stale += 1
      if (this.#stale > MAX_STALE_ANSWERS) throw protocolError(`more than ${MAX_STALE_ANSWERS} answers to no update`)
      this.#events.answered(this, 'stale')
      return
    }
    this.#inFlight = undefined
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
    this.#events.answered(this, nack === undefined ? 'acked' : 'nacked')
    if (!this.#waiting) return
    this.#waiting = false
    this.#due()
  }

  #acked({ revision }: InFlight): void {
    this.appliedRevision = revision
    if (this.#refused.size > 0) return
    this.violations = []
    this.#backoff.reset()
    if (this.#retry !== undefined) this.#cancel(this.#retry)
    this.#retry = undefined
  }

  #nacked({ violations }: Nack__Output): void {
    this.violations = violations.slice(0, MAX_VIOLATIONS_KEPT).map(({ resource, field, code, message }) => {
      const name = resource === null ? 'update' : resourceKey(resource)
      return `${name}: ${field}: ${message} (${code})`.slice(0, MAX_VIOLATION_TEXT)
    })
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

function trustOf({ bundles, svidAuthority, uses, at }: TrustReport__Output, nowMs: number): TrustReport {
  if (bundles.length > MAX_TRUST_ENTRIES || uses.length > MAX_TRUST_ENTRIES) {
    throw protocolError(`a report of trust has at most ${MAX_TRUST_ENTRIES} bundles, and as many authorities`)
  }
  return {
    sequences: new Map(bundles.map(({ trustDomain, sequence }) => [trustDomain, sequence])),
    svidAuthority: hex(svidAuthority),
    connections: new Map(uses.map(({ authority, connections }) => [hex(authority), connections])),
    clockAheadMs: (millisecondsOf(at) ?? nowMs) - nowMs,
  }
}

/** Times from a clock that is ahead of ours are now. */
function usesOf({ secrets }: ApiKeyUse__Output, nowMs: number): ReadonlyMap<string, number> {
  if (secrets.length > MAX_API_KEY_USES) {
    throw protocolError(`a report of API keys has at most ${MAX_API_KEY_USES} of them`)
  }
  return new Map(secrets.map(({ id, lastUsed }) => [id, Math.min(nowMs, millisecondsOf(lastUsed) ?? nowMs)]))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** What of an update was refused: what the violations name, or all of it when they name nothing that was sent. */
function refusedBy({ violations }: Nack__Output, update: InFlight): ReadonlySet<string> {
  const sent = new Set(update.changed.map(({ name }) => resourceKey(name)))
  const named = violations.flatMap(({ resource }) => (resource === null ? [] : resourceKey(resource)))
  const refused = new Set(named.filter((key) => sent.has(key)))
  return refused.size > 0 ? refused : sent
}

function protocolError(message: string): OutriderError<'stream-protocol'> {
  return new OutriderError('stream-protocol', message)
}
