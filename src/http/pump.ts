import {
  type ClientConnection,
  type ClientStream,
  opensTunnel,
  type RequestHead,
  type RequestSink,
  type ResponseHead,
  type ResponseSink,
  type ServerStream,
  type StreamFault,
} from './exchange.ts'
import { buffersPassed } from '../lib/passed-buffers.ts'
import { type Headers, noHeaders, withoutFields } from './headers.ts'

/** Who decides about an exchange: a sidecar's inbound or outbound path. */
export interface ExchangeOwner {
  /** The upstream's final response head; what is returned goes to the client, if the exchange is not refused or taken back meanwhile. */
  onResponseHead(head: ResponseHead): ResponseHead
  /**
   * The upstream failed before any response reached the client. The owner answers with `forward` (only when
   * `fault.replay` allows it and `exchange.replayable` holds) or `refuse`.
   */
  onUpstreamFault(fault: StreamFault): void
  /**
   * The upstream broke off a response that had begun. What is returned ends it as trailers, where the protocol of the
   * client says in trailers how it went; `undefined`: it is cut, so that the client cannot take it for complete.
   */
  onResponseBroken(fault: StreamFault): Headers | undefined
  /** Called exactly once, when nothing more will happen. `fault` says why it ended early. */
  onFinished(fault: StreamFault | undefined): void
}

/**
 * Joins the two halves of one request: what a server codec receives goes to a client codec and back, with backpressure
 * in both directions. Until the owner forwards or refuses, what has come of the body is held; the codec stops reading
 * after the first slice, so that is one socket read at most.
 */
export class Exchange implements RequestSink, ResponseSink {
  readonly #server: ServerStream
  readonly #owner: ExchangeOwner
  #client: ClientStream | undefined
  #held: Buffer[] | undefined
  #requestEnded = false
  #trailers: Headers = noHeaders
  #responding = false
  #tunnel = false
  #responseEnded = false
  #finished = false
  /** Of the request as it was forwarded. */
  method = ''
  /** Names of fields that go no further when they come as trailers of the request: what was decided on them is in its head. */
  withheldTrailers: ReadonlySet<string> | undefined
  /** Bytes of body so far. */
  requestBytes = 0
  responseBytes = 0

  constructor(server: ServerStream, owner: ExchangeOwner) {
    this.#server = server
    this.#owner = owner
  }

  get finished(): boolean {
    return this.#finished
  }

  /** Whether the client has got a response head. */
  get responding(): boolean {
    return this.#responding
  }

  /** Whether nothing of the request is lost when it is sent again: it is complete and had no body. */
  get replayable(): boolean {
    return this.#requestEnded && this.requestBytes === 0
  }

  /** Sends the request on. Without effect when the client has gone meanwhile. */
  forward(connection: ClientConnection, head: RequestHead): void {
    if (this.#finished) return
    this.method = head.method
    const client = connection.request(head, this)
    this.#client = client
    const held = this.#held
    if (held !== undefined) {
      this.#held = undefined
      let more = true
      for (const slice of held) more = client.data(slice)
      if (more && !this.#requestEnded) this.#server.resumeRequest()
    }
    if (this.#requestEnded) client.end(this.#trailers)
  }

  /**
   * Takes the request back from an upstream whose response head is being looked at: nothing of its answer goes on. The owner
   * forwards or refuses it next. Only where `replayable` holds.
   */
  takeBack(): void {
    const client = this.#client
    this.#client = undefined
    client?.abort({ code: 'closed-here', message: 'the request goes elsewhere', replay: 'never' })
  }

  /** Answers in place of the upstream. Without effect when a response has begun. */
  refuse(head: ResponseHead, body: Buffer): void {
    if (this.#finished || this.#responding) return
    this.#responding = true
    const client = this.#client
    this.#client = undefined
    client?.abort({ code: 'closed-here', message: 'the request was refused', replay: 'never' })
    this.#server.respond(head)
    // A client that takes no head that large is gone with it.
    if (this.#finished) return
    this.#server.data(body)
    this.responseBytes = body.length
    this.#finish(undefined)
    this.#server.end(noHeaders)
  }

  /** Ends a response that has begun with trailers of the owner; the upstream is given up. */
  conclude(fault: StreamFault, trailers: Headers): void {
    if (this.#finished || !this.#responding) return
    const client = this.#client
    this.#client = undefined
    client?.abort(fault)
    this.#finish(fault)
    this.#server.end(trailers)
  }

  /** Breaks the exchange off in both directions. */
  abort(fault: StreamFault): void {
    if (this.#finished) return
    this.#client?.abort(fault)
    this.#finish(fault)
    this.#server.abort(fault)
  }

  requestData(slice: Buffer): boolean {
    this.requestBytes += slice.length
    buffersPassed(slice.length)
    if (this.#client !== undefined) return this.#client.data(slice)
    if (this.#responding) return true
    this.#held ??= []
    this.#held.push(slice)
    return false
  }

  requestEnd(trailers: Headers): void {
    this.#requestEnded = true
    this.#trailers = this.withheldTrailers === undefined ? trailers : withoutFields(trailers, this.withheldTrailers)
    this.#client?.end(this.#trailers)
    if (this.#tunnel && this.#responseEnded && !this.#finished) this.#finish(undefined)
  }

  requestAborted(fault: StreamFault): void {
    if (this.#finished) return
    this.#client?.abort(fault)
    this.#finish(fault)
  }

  responseDrained(): void {
    this.#client?.resumeResponse()
  }

  informational(status: number, headers: Headers): void {
    this.#server.informational(status, headers)
  }

  responseHead(head: ResponseHead): void {
    if (this.#finished) return
    const client = this.#client
    const answer = this.#owner.onResponseHead(head)
    // Refused, or taken back: by now another upstream may have it.
    if (this.#finished || this.#client !== client) return
    this.#responding = true
    this.#tunnel = opensTunnel(this, head.status)
    this.#server.respond(answer)
  }

  responseData(slice: Buffer): boolean {
    this.responseBytes += slice.length
    buffersPassed(slice.length)
    return this.#server.data(slice)
  }

  responseEnd(trailers: Headers): void {
    if (this.#finished) return
    this.#responseEnded = true
    // A tunnel is over when both of its halves are.
    if (!this.#tunnel || this.#requestEnded) this.#finish(undefined)
    this.#server.end(trailers)
  }

  responseAborted(fault: StreamFault): void {
    if (this.#finished) return
    this.#client = undefined
    if (this.#responding) {
      const trailers = this.#owner.onResponseBroken(fault)
      this.#finish(fault)
      if (trailers === undefined) this.#server.abort(fault)
      else this.#server.end(trailers)
    } else this.#owner.onUpstreamFault(fault)
  }

  requestDrained(): void {
    this.#server.resumeRequest()
  }

  #finish(fault: StreamFault | undefined): void {
    this.#finished = true
    this.#owner.onFinished(fault)
  }
}
