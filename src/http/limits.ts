/** Bounds of one listener or pool. Every refusal that a bound causes names it by the option's name given here. */
export interface HttpLimits {
  /** Start line and fields of one head, in bytes. */
  readonly maxHeadBytes: number
  /** Fields of one head, and of one trailer section. */
  readonly maxHeadFields: number
  /** From the first byte of a head to its end, in milliseconds. */
  readonly headTimeoutMs: number
  /** Without a byte in either direction while an exchange is open, in milliseconds. */
  readonly requestIdleTimeoutMs: number
  /** Between exchanges, in milliseconds. */
  readonly connectionIdleTimeoutMs: number
  /** Bytes of one request body; 0 for no bound. */
  readonly maxBodyBytes: number
  /** Exchanges on one connection before it is closed; 0 for no bound. */
  readonly maxRequestsPerConnection: number
  /** Whether request field names may contain `_`, which some servers read as `-`. */
  readonly underscoresInHeaders: 'refuse' | 'allow'
  /** Whether a request target may have a fragment, which servers cut off in different places. */
  readonly fragments: 'refuse' | 'allow'
  /** Without a byte in either direction of a WebSocket or TCP tunnel, in milliseconds. */
  readonly tunnelIdleTimeoutMs: number
  /** HTTP/2: streams that a peer may have open on one connection. */
  readonly maxConcurrentStreams: number
  /** HTTP/2: bytes of one body that the peer may send before they are taken. */
  readonly streamWindowBytes: number
  /** HTTP/2: the same for all bodies of one connection. */
  readonly connectionWindowBytes: number
}
