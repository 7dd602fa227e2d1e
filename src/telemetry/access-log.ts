import type { Clock } from '../lib/clock.ts'
import type { Counter } from './series.ts'

/** Who asked: a verified peer, or nobody known and why. */
export type AccessSource =
  | { readonly kind: 'peer'; readonly id: string }
  | { readonly kind: 'anonymous'; readonly why: string }

/** What the policy was asked about a request, beside the fields of every line: enough to ask another policy. */
export interface AccessFacts {
  /** SPIFFE ID of the workload that was asked for. */
  readonly workload: string
  /** Port of the application. */
  readonly port: number
  readonly host?: string | undefined
  /** IP address that the connection came from. */
  readonly address?: string | undefined
  readonly sni?: string | undefined
  readonly grpc: boolean
  /** Who the user was, of tokens no more than that; absent: nobody looked. */
  readonly user?:
    | {
        readonly tokens: readonly { readonly issuer: string; readonly subject: string | undefined }[]
        readonly apiKey: { readonly id: string; readonly owner: string; readonly scopes: readonly string[] } | undefined
      }
    | undefined
  /** The headers that the operator wants to see, each with its values. */
  readonly headers: readonly (readonly [name: string, values: readonly string[]])[]
}

/** One request, at its end. See docs/reference/access-log.md for each field. */
export interface AccessRecord {
  /** When the request began, in milliseconds since the Unix epoch. */
  readonly timeMs: number
  readonly reporter: 'inbound' | 'outbound' | 'ext-authz'
  readonly requestId: string
  readonly traceId: string
  readonly source: AccessSource
  /** The service or workload that was asked for. */
  readonly destination: string
  readonly method: string
  /** Without the query, which often holds secrets. */
  readonly path: string
  readonly authority: string
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | 'TCP'
  /** 0 when the request ended without a response. */
  readonly status: number
  /** Code of the refusal; absent where the upstream answered. */
  readonly code?: string
  /** The policy rule that decided. */
  readonly rule?: string
  /** On a denial: the ALLOW rule that came closest, and its condition that failed. */
  readonly nearest?: { readonly rule: string; readonly failed: string }
  /** The limit that refused. */
  readonly rateLimit?: string
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly durationMs: number
  /** Address of the endpoint that was used. */
  readonly upstream?: string
  /** Of a request that a policy was asked about. */
  readonly facts?: AccessFacts
}

export type AccessLogMode = 'denials' | 'all' | 'off'

/** Where lines go. One `write` is in flight at a time; `done` says that the next may come. */
export interface AccessLogSink {
  write(lines: string, done: (error?: Error) => void): void
  close(): void
}

export interface AccessLogOptions {
  readonly mode: AccessLogMode
  readonly clock: Clock
  /** Counts the lines that were lost. */
  readonly dropped: Counter
}

/** Lines are handed over at the end of the event-loop turn, or earlier when so much text has gathered. */
const FLUSH_LENGTH = 65_536
/** Text waiting for a slow sink; beyond it, lines are counted and dropped. */
const MAX_WAITING_LENGTH = 1_048_576

/**
 * Writes one JSON line per request, many lines per system call. A sink that is slow or broken costs lines, which are
 * counted and reported in a line of their own, but never memory or time of the requests.
 */
export class AccessLog {
  readonly #sink: AccessLogSink
  readonly #mode: AccessLogMode
  readonly #clock: Clock
  readonly #droppedCounter: Counter
  readonly #formatTime = timeFormatter()
  #waiting = ''
  #dropped = 0
  #writing = false
  #scheduled = false
  #ended = false
  #onIdle: () => void = () => {}

  constructor(sink: AccessLogSink, { mode, clock, dropped }: AccessLogOptions) {
    this.#sink = sink
    this.#mode = mode
    this.#clock = clock
    this.#droppedCounter = dropped
  }

  /** Is a line wanted for a request that was refused, or was not? Ask before building the record. */
  wants(refused: boolean): boolean {
    return this.#mode === 'all' || (refused && this.#mode === 'denials')
  }

  write(record: AccessRecord): void {
    if (this.#ended || !this.wants(record.code !== undefined)) return
    if (this.#waiting.length >= MAX_WAITING_LENGTH) {
      this.#drop(1)
      return
    }
    this.#waiting += formatLine(record, this.#formatTime)
    if (this.#waiting.length >= FLUSH_LENGTH) this.#flush()
    else if (!this.#scheduled && !this.#writing) {
      this.#scheduled = true
      setImmediate(this.#onTurnEnd)
    }
  }

  /** Writes what is waiting, then closes the sink. A sink that never finishes is for `destroy` to end. */
  async close(): Promise<void> {
    this.#ended = true
    this.#flush()
    if (this.#writing) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    this.#sink.close()
  }

  /** Drops what is waiting. */
  destroy(): void {
    this.#ended = true
    this.#waiting = ''
    this.#sink.close()
    this.#onIdle()
  }

  readonly #onTurnEnd = (): void => {
    this.#scheduled = false
    this.#flush()
  }

  #flush(): void {
    if (this.#writing || (this.#waiting === '' && this.#dropped === 0)) return
    const lost = this.#dropped === 0 ? '' : this.#lossLine()
    const lines = lost + this.#waiting
    this.#waiting = ''
    this.#writing = true
    const count = (): number => lines.split('\n').length - 1
    this.#sink.write(lines, (error) => {
      this.#writing = false
      if (error !== undefined) this.#drop(count())
      // After an error there is nothing to be gained from trying again at once: the next request does.
      if (error === undefined) this.#flush()
      if (!this.#writing) this.#onIdle()
    })
  }

  #lossLine(): string {
    const lost = this.#dropped
    this.#dropped = 0
    return `{"time":"${this.#formatTime(this.#clock.now())}","dropped":${lost}}\n`
  }

  #drop(lines: number): void {
    this.#dropped += lines
    this.#droppedCounter.inc(lines)
  }
}

/** What cannot stand in a JSON text, and what a terminal or a line-based reader might take for an instruction. */
const unsafe = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/
const unsafeOutsideJson = /[\u007f-\u009f\u2028\u2029]/g

/** A JSON string, on one line, without control characters of any kind: what a peer sends cannot forge a line. */
function quote(text: string): string {
  if (!unsafe.test(text)) return `"${text}"`
  return JSON.stringify(text).replace(
    unsafeOutsideJson,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

type FormatTime = (ms: number) => string

/** RFC 3339 in UTC with milliseconds. The part up to the second is kept: most lines share it with the line before. */
function timeFormatter(): FormatTime {
  let second = Number.NaN
  let prefix = ''
  return (ms) => {
    const seconds = Math.floor(ms / 1000)
    if (seconds !== second) {
      second = seconds
      prefix = new Date(seconds * 1000).toISOString().slice(0, 20)
    }
    const rest = Math.floor(ms) - seconds * 1000
    return `${prefix}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`
  }
}

function formatLine(record: AccessRecord, formatTime: FormatTime): string {
  const { source, nearest } = record
  let line = `{"time":"${formatTime(record.timeMs)}","reporter":"${record.reporter}"`
  line += `,"request_id":${quote(record.requestId)},"trace_id":${quote(record.traceId)}`
  line +=
    source.kind === 'peer'
      ? `,"source":${quote(source.id)}`
      : `,"source":"anonymous","anonymous_because":${quote(source.why)}`
  line += `,"destination":${quote(record.destination)},"method":${quote(record.method)}`
  line += `,"path":${quote(record.path)},"authority":${quote(record.authority)}`
  line += `,"protocol":"${record.protocol}","status":${record.status}`
  if (record.code !== undefined) line += `,"code":${quote(record.code)}`
  if (record.rule !== undefined) line += `,"rule":${quote(record.rule)}`
  if (nearest !== undefined) line += `,"nearest_rule":${quote(nearest.rule)},"failed":${quote(nearest.failed)}`
  if (record.rateLimit !== undefined) line += `,"rate_limit":${quote(record.rateLimit)}`
  line += `,"bytes_received":${record.bytesReceived},"bytes_sent":${record.bytesSent}`
  line += `,"duration_ms":${Math.round(record.durationMs * 1000) / 1000}`
  if (record.upstream !== undefined) line += `,"upstream":${quote(record.upstream)}`
  if (record.facts !== undefined) line += formatFacts(record.facts)
  return `${line}}\n`
}

function formatFacts({ workload, port, host, address, sni, grpc, user, headers }: AccessFacts): string {
  let line = `,"workload":${quote(workload)},"port":${port}`
  if (host !== undefined) line += `,"host":${quote(host)}`
  if (address !== undefined) line += `,"address":${quote(address)}`
  if (sni !== undefined) line += `,"sni":${quote(sni)}`
  if (grpc) line += ',"grpc":true'
  if (user !== undefined) {
    const tokens = user.tokens.map(({ issuer, subject }) =>
      quoteAll(subject === undefined ? [issuer] : [issuer, subject]),
    )
    line += `,"tokens":[${tokens.join(',')}]`
    if (user.apiKey !== undefined) {
      const { id, owner, scopes } = user.apiKey
      line += `,"api_key":${quote(id)},"api_key_owner":${quote(owner)},"api_key_scopes":${quoteAll(scopes)}`
    }
  }
  if (headers.length > 0) {
    const members = headers.map(([name, values]) => `${quote(name)}:${quoteAll(values)}`)
    line += `,"headers":{${members.join(',')}}`
  }
  return line
}

function quoteAll(texts: readonly string[]): string {
  return `[${texts.map(quote).join(',')}]`
}
