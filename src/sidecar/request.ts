import {
  type HttpVersion,
  type RequestHead,
  type ResponseHead,
  type ServerStream,
  type StreamFault,
  type StreamFaultCode,
} from '../http/exchange.ts'
import { changeHeaders, type HeaderChange } from '../http/header-changes.ts'
import { type Headers, headerValue, withoutFields } from '../http/headers.ts'
import { Exchange, type ExchangeOwner } from '../http/pump.ts'
import type { Timer } from '../lib/clock.ts'
import { unreachable } from '../lib/unreachable.ts'
import { type DecisionRequest, ruleName, type RuleRef } from '../policy/decision.ts'
import type { AccessSource } from '../telemetry/access-log.ts'
import { requestIdOf, type TraceHop, traceHop } from '../telemetry/trace.ts'
import type { Waiter } from './upstream/pool.ts'
import { grpcTimeoutMs, isGrpc } from './grpc.ts'
import type { Grant } from './grants.ts'
import type { RequestMeter } from './meter.ts'
import { accessFacts } from './access-facts.ts'
import { isOwnField, ORIGINAL_PROTOCOL, UNPROCESSED } from './own-fields.ts'
import { type Refusal, type RefusalCode, refusals, refuse } from './refusal.ts'
import { refusalTrailers, respond } from './respond.ts'
import type { Runtime } from './runtime.ts'

/** What all requests of one accepted connection have in common. */
export interface RequestSource {
  readonly runtime: Runtime
  readonly reporter: 'inbound' | 'outbound'
  readonly source: AccessSource
  readonly meter: RequestMeter
  /** Whether the client may know why it was refused. */
  readonly explain: boolean
}

/** One try to send a request over one pool of connections. */
export interface Attempt extends Waiter {
  /** Sends it once more, on a connection that carried nothing before. */
  replay(): void
}

const UNAVAILABLE = 503
const unprocessedField: ReadonlySet<string> = new Set([UNPROCESSED])

/** RFC 9110 section 9.2.2: sending these twice is the same as sending them once. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** One request from its head to its end: what was found out about it on the way, and the report when it is over. */
export class Request implements ExchangeOwner {
  readonly head: RequestHead
  readonly exchange: Exchange
  readonly requestId: string
  readonly trace: TraceHop
  readonly grpc: boolean
  readonly #source: RequestSource
  readonly #deadline: Timer | undefined
  readonly #startMs: number
  /** The normalised path; as sent until there is one. */
  path: string
  /** The normalised one; as sent until there is one. */
  authority: string
  /** Who is asked, as a label of metrics. */
  destination = 'unknown'
  rule: RuleRef | undefined
  /** What the policy was asked. */
  asked: DecisionRequest | undefined
  upstream: string | undefined
  /** Fields to add to the response, flat. */
  responseHeaders: Headers | undefined
  /** The try under way. */
  attempt: Attempt | undefined
  /** What it goes on by; among the grants of the runtime until it is over. */
  grant: Grant | undefined
  /** What becomes of the fields of the response. */
  responseChanges: readonly HeaderChange[] = []
  #departure: AbortController | undefined
  #protocol: HttpVersion | undefined
  #refusal: Refusal | undefined
  #status = 0

  constructor(source: RequestSource, head: RequestHead, stream: ServerStream) {
    const { runtime } = source
    this.#source = source
    this.head = head
    this.exchange = new Exchange(stream, this)
    this.path = head.target
    this.authority = head.authority
    this.#startMs = runtime.clock.monotonic()
    this.requestId = requestIdOf(headerValue(head.headers, 'x-request-id') ?? '', runtime.randomHex)
    this.trace = traceHop(headerValue(head.headers, 'traceparent') ?? '', runtime.randomHex, false)
    this.grpc = isGrpc(head)
    const timeoutMs = this.grpc ? grpcTimeoutMs(head.headers) : undefined
    if (timeoutMs !== undefined) this.#deadline = runtime.clock.after(timeoutMs, () => this.#deadlineExceeded())
    source.meter.begin()
  }

  /** What the client speaks, on whichever side of the hop: of the caller's sidecar, what it says that its client does. */
  get protocol(): HttpVersion {
    this.#protocol ??= spokenBy(this.#source, this.head)
    return this.#protocol
  }

  /** Aborted when the request is over, such as when its client leaves. Made when it is first asked for: only who waits needs it. */
  departure(): AbortSignal {
    this.#departure ??= new AbortController()
    if (this.exchange.finished) this.#departure.abort()
    return this.#departure.signal
  }

  /** End-to-end fields without those that only we may set, and ours, with `name` when it has a value. */
  forwardedHeaders(name: string, value: string | undefined, given: Headers = this.head.headers): Headers {
    const headers: string[] = []
    for (let index = 0; index < given.length; index += 2) {
      const field = given[index]!
      if (isOwnField(field) || (field === 'tracestate' && !this.trace.continued)) continue
      headers.push(field, given[index + 1]!)
    }
    if (value !== undefined) headers.push(name, value)
    headers.push('x-request-id', this.requestId, 'traceparent', this.trace.header)
    return headers
  }

  /** Answers in place of the upstream. */
  refuse(refusal: Refusal): void {
    this.#refusal = refusal
    const { code, detail } = refusal
    if (detail !== undefined)
      this.#source.runtime.log.debug({ requestId: this.requestId, code, detail }, 'request refused')
    const { head, body } = respond(refusal, this.requestId, this.#source.explain, this.grpc)
    this.#status = refusal.answer?.status ?? refusals[code].status
    this.exchange.refuse(head, body)
  }

  /** Takes back what was granted. */
  withdraw(refusal: Refusal): void {
    this.#breakOff(refusal, 'closed-here')
  }

  /** Answers with the refusal, or ends the response that has begun: a gRPC call with its status, another one so that all see it is cut. */
  #breakOff(refusal: Refusal, code: StreamFaultCode): void {
    if (!this.exchange.responding) return this.refuse(refusal)
    this.#refusal = refusal
    const fault = { code, message: refusals[refusal.code].text, replay: 'never' } as const
    if (this.grpc) this.exchange.conclude(fault, refusalTrailers(refusal.code, this.#source.explain))
    else this.exchange.abort(fault)
  }

  /** An attempt at an endpoint came to nothing. */
  countFailure(code: RefusalCode): void {
    this.#source.runtime.metrics.upstreamFailures.with({ reason: code }).inc()
  }

  onResponseHead(given: ResponseHead): ResponseHead {
    const head = given.status === UNAVAILABLE ? this.#onUnavailable(given) : given
    this.#status = head.status
    const added = this.responseHeaders
    const changes = this.responseChanges
    if ((added === undefined && changes.length === 0) || head.status === 101) return head
    const changed = changes.length === 0 ? head.headers : changeHeaders(head.headers, changes)
    const headers = added === undefined ? changed : changed.concat(added)
    return { status: head.status, headers, bodyLength: head.bodyLength, close: head.close }
  }

  /** Only the callee's sidecar says that its application saw nothing; then the caller's looks for another endpoint. */
  #onUnavailable(head: ResponseHead): ResponseHead {
    if (headerValue(head.headers, UNPROCESSED) === undefined) return head
    if (this.#source.reporter === 'inbound') return { ...head, headers: withoutFields(head.headers, unprocessedField) }
    const { attempt } = this
    if (attempt === undefined || !this.exchange.replayable) return head
    this.attempt = undefined
    this.exchange.takeBack()
    this.#source.runtime.metrics.upstreamRequestsRetried.inc()
    attempt.failed('upstream-unreachable', 'the sidecar of the endpoint could not reach its application')
    return head
  }

  onUpstreamFault(fault: StreamFault): void {
    const { metrics } = this.#source.runtime
    const { attempt } = this
    const repeatable = fault.replay === 'safe' || (fault.replay === 'idempotent' && idempotent.has(this.head.method))
    if (repeatable && this.exchange.replayable && attempt !== undefined) {
      this.attempt = undefined
      metrics.upstreamRequestsRetried.inc()
      attempt.replay()
      return
    }
    const code = refusalOf(fault)
    this.countFailure(code)
    this.refuse(refuse(code, { detail: fault.message }))
  }

  onResponseBroken(fault: StreamFault): Headers | undefined {
    return this.grpc ? refusalTrailers(refusalOf(fault), this.#source.explain) : undefined
  }

  #deadlineExceeded(): void {
    this.#breakOff(refuse('deadline-exceeded'), 'timed-out')
  }

  onFinished(fault: StreamFault | undefined): void {
    const { runtime, meter } = this.#source
    this.#deadline?.cancel()
    this.#departure?.abort()
    if (this.grant !== undefined) runtime.grants.remove(this.grant)
    const durationMs = runtime.clock.monotonic() - this.#startMs
    const refusal = this.#refusal?.code ?? fault?.code
    meter.end({ status: this.#status, refusal: refusal ?? 'none', destination: this.destination }, durationMs)
    // What was refused had only our answer; what was broken off later had more.
    if (this.#refusal === undefined || fault !== undefined)
      meter.forwarded(this.exchange.requestBytes, this.exchange.responseBytes)
    if (runtime.accessLog.wants(refusal !== undefined)) this.#log(durationMs, refusal)
  }

  #log(durationMs: number, code: string | undefined): void {
    const { runtime, reporter, source } = this.#source
    const rule = this.#refusal?.rule ?? this.rule
    const nearest = this.#refusal?.nearest
    const limit = this.#refusal?.limit
    runtime.accessLog.write({
      timeMs: runtime.clock.now() - durationMs,
      reporter,
      requestId: this.requestId,
      traceId: this.trace.traceId,
      source,
      destination: this.destination,
      method: this.head.method,
      path: withoutQuery(this.path),
      authority: this.authority,
      protocol: this.protocol,
      status: this.#status,
      ...(code === undefined ? {} : { code }),
      ...(rule === undefined ? {} : { rule: ruleName(rule) }),
      ...(nearest === undefined ? {} : { nearest: { rule: ruleName(nearest.rule), failed: nearest.failed } }),
      ...(limit === undefined ? {} : { rateLimit: limit }),
      ...(this.upstream === undefined ? {} : { upstream: this.upstream }),
      ...(this.asked === undefined ? {} : { facts: accessFacts(this.asked, this.grpc, runtime) }),
      bytesReceived: this.exchange.requestBytes,
      bytesSent: this.exchange.responseBytes,
      durationMs,
    })
  }
}

function spokenBy({ reporter, source }: RequestSource, { method, version, headers }: RequestHead): HttpVersion {
  if (method === 'CONNECT') return 'TCP'
  const fromPeer = version === 'HTTP/2' && reporter === 'inbound' && source.kind === 'peer'
  return fromPeer && headerValue(headers, ORIGINAL_PROTOCOL) !== undefined ? 'HTTP/1.1' : version
}

function refusalOf({ code }: StreamFault): RefusalCode {
  switch (code) {
    case 'upstream-malformed':
    case 'timed-out':
    case 'identity-expired':
    case 'identity-withdrawn':
      return code
    case 'client-gone':
    case 'closed-here':
    case 'upstream-gone':
      return 'upstream-gone'
    default:
      return unreachable(code)
  }
}

function withoutQuery(target: string): string {
  const query = target.indexOf('?')
  return query < 0 ? target : target.slice(0, query)
}
