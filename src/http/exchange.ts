import type { Headers } from './headers.ts'

/**
 * The narrow contract between codecs (HTTP/1.1, HTTP/2, raw TCP) and what forwards between them. It knows nothing of
 * chunks, frames or sockets: heads, slices of body, ends, aborts.
 *
 * Backpressure is a return value: `false` from a `...Data` call means "full, stop your source"; the source goes on when
 * its `resume...` is called. It is advice for the next read: slices of the read under way may still come, so what a
 * sink holds is bounded by one socket read (64 KiB).
 */

/** `bodyLength` of a message that has no body and declares none. */
export const NO_BODY = -1
/** `bodyLength` of a message whose body ends when it ends (chunked, END_STREAM, close). */
export const UNKNOWN_LENGTH = -2

export interface RequestHead {
  /** Token of RFC 9110 section 9, as sent. CONNECT asks for a tunnel of raw bytes. */
  readonly method: string
  /** `host` or `host:port` in lower case; never empty. */
  readonly authority: string
  /** Origin form: path and query; `*` for OPTIONS; empty for CONNECT. */
  readonly target: string
  readonly headers: Headers
  /** Bytes of body, or NO_BODY, or UNKNOWN_LENGTH. */
  readonly bodyLength: number
  /**
   * The protocol that the client wants to change to (`websocket`), in lower case. The method is then GET, also where
   * the wire has an extended CONNECT (RFC 8441).
   */
  readonly upgrade: string | undefined
  /** The client will not throw trailers away: `TE: trailers` (RFC 9110 section 10.1.4). */
  readonly acceptsTrailers: boolean
  readonly version: HttpVersion
}

/** What the client speaks. `TCP` are raw bytes, which come as the body of a CONNECT. */
export type HttpVersion = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | 'TCP'

/** Whether a response to this request opens a tunnel: both directions are opaque bytes then, and end each by itself. */
export function opensTunnel({ method }: { readonly method: string }, status: number): boolean {
  return status === 101 || (method === 'CONNECT' && status < 300)
}

export interface ResponseHead {
  /** 200 to 599, or 101 when `upgrade` was granted: see `opensTunnel`. */
  readonly status: number
  readonly headers: Headers
  /** As in RequestHead. For HEAD and 304 it is what the body would have. */
  readonly bodyLength: number
  /** Close the client's connection after this response (HTTP/1), or the stream only (HTTP/2). */
  readonly close: boolean
}

/** Why one exchange ended before its time. */
export interface StreamFault {
  readonly code: StreamFaultCode
  /** One line for the log; never for the peer. */
  readonly message: string
  readonly replay: Replay
}

/**
 * May the request be sent again? `safe`: the upstream said that it did not look at it (RFC 9113 section 8.7).
 * `idempotent`: the connection had carried another exchange before and gave no byte of response to this one, so a request
 * that may be repeated can be (RFC 9110 section 9.2.2).
 */
export type Replay = 'safe' | 'idempotent' | 'never'

export type StreamFaultCode =
  /** The client closed, reset or broke the protocol before its response was complete. */
  | 'client-gone'
  /** The upstream connection could not be opened, or ended before the response did. */
  | 'upstream-gone'
  | 'upstream-malformed'
  | 'timed-out'
  /** We stop: drain deadline, policy. */
  | 'closed-here'
  /** A certificate of the connection has expired. */
  | 'identity-expired'
  /** The connection's peer, or we, are no longer who may be believed. */
  | 'identity-withdrawn'

/** Why a whole connection is cut. */
export interface Ending {
  /** What the exchanges on it end by. */
  readonly code: StreamFaultCode
  /** One line for the log. */
  readonly message: string
  /** ASCII for the peer, where its protocol has a place for it. */
  readonly farewell?: string | undefined
}

/** The request half: called by a server codec with `requestData* (requestEnd | requestAborted)`. */
export interface RequestSink {
  requestData(slice: Buffer): boolean
  requestEnd(trailers: Headers): void
  /** Nothing follows, and nothing that is answered is sent. */
  requestAborted(fault: StreamFault): void
  /** The codec takes response bytes again after its `data` returned false. */
  responseDrained(): void
}

/** What the owner of an exchange tells the server codec: `informational* respond data* end`, or `abort` at any time. */
export interface ServerStream {
  /** An interim response (1xx but 101). */
  informational(status: number, headers: Headers): void
  respond(head: ResponseHead): void
  data(slice: Buffer): boolean
  end(trailers: Headers): void
  /** Ends the response so that the client cannot take it for complete. */
  abort(fault: StreamFault): void
  resumeRequest(): void
}

/** Called by a server codec for each request head; the answer goes to `stream`, the body comes to the returned sink. */
export type RequestHandler = (head: RequestHead, stream: ServerStream) => RequestSink

/** The response half: called by a client codec with `informational* responseHead responseData* responseEnd`, or aborted. */
export interface ResponseSink {
  informational(status: number, headers: Headers): void
  responseHead(head: ResponseHead): void
  responseData(slice: Buffer): boolean
  responseEnd(trailers: Headers): void
  responseAborted(fault: StreamFault): void
  /** The codec takes request bytes again after its `data` returned false. */
  requestDrained(): void
}

/** What the owner of an exchange tells the client codec: `data* end`, or `abort` at any time. */
export interface ClientStream {
  data(slice: Buffer): boolean
  end(trailers: Headers): void
  abort(fault: StreamFault): void
  resumeResponse(): void
}

/** One connection to an upstream that can carry a request now. */
export interface ClientConnection {
  /** The sink hears nothing before this has returned. */
  request(head: RequestHead, sink: ResponseSink): ClientStream
}
