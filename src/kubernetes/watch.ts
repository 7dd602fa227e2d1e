import type { IncomingMessage } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import { readAnswer } from './call.ts'
import type { Exchange } from './exchange.ts'
import { ApiError } from './failure.ts'
import { type Selection, selectionQuery } from './list.ts'
import { type ClusterObject, isRecord, objectOf, pathOfType, type ResourceType } from './objects.ts'
import { type Asked, describeAsked, errorOf, refusalOf, statusOf } from './status.ts'

export type WatchEvent =
  /** `resourceVersion` is that of the object, and where a later watch goes on. */
  | { readonly type: 'put' | 'delete'; readonly object: ClusterObject; readonly resourceVersion: string }
  /** Everything up to here has been told. */
  | { readonly type: 'bookmark'; readonly resourceVersion: string }

export interface WatchCall extends Selection {
  /** Changes after it are told. */
  readonly resourceVersion: string
  /** When the API server is to end the stream. */
  readonly timeoutSeconds: number
  readonly signal?: AbortSignal
  /** The API server has accepted the call. */
  readonly opened?: () => void
  /** In the order of the versions, each at most once. */
  readonly told: (event: WatchEvent) => void
}

const HEAD_MS = 30_000
/** An API server sends a bookmark about once a minute. One that does not is asked anew more often: that costs a request. */
const SILENT_MS = 180_000
/** Over `timeoutSeconds`. */
const GRACE_MS = 30_000
/** The API server takes no larger request. */
const MAX_LINE_BYTES = 3 * 1024 * 1024
/** Of the answer to a watch that is refused. */
const MAX_REFUSAL_BYTES = 64 * 1024
const LINE_FEED = 0x0a

/**
 * Reads one stream of changes until it ends: by `timeoutSeconds`, or because it said nothing for three minutes. Resolves with the
 * error of an ERROR event if that was its last word. Throws what `ApiClient` says; `kubernetes-unreachable` also when the stream
 * broke off, `kubernetes-answer` for a line that is no event or has more than 3 MiB.
 */
export function watchObjects(exchange: Exchange, type: ResourceType, call: WatchCall): Promise<ApiError | undefined> {
  const { namespace, resourceVersion, timeoutSeconds, signal } = call
  const path = pathOfType(type, namespace)
  const query = selectionQuery(call)
  query.set('watch', 'true')
  query.set('allowWatchBookmarks', 'true')
  query.set('resourceVersion', resourceVersion)
  query.set('timeoutSeconds', String(timeoutSeconds))
  const asked: Asked = { verb: 'watch', type, namespace, path }
  return exchange.stream(
    { path: `${path}?${query.toString()}`, ...(signal === undefined ? {} : { signal }) },
    asked,
    HEAD_MS,
    async (response) => {
      const limits = new StreamLimits(response, timeoutSeconds * 1000 + GRACE_MS, exchange.clock)
      try {
        if (response.statusCode !== 200) throw refusalOf(await readAnswer(response, MAX_REFUSAL_BYTES), asked)
        call.opened?.()
        return await readEvents(response, call, asked, limits)
      } catch (error) {
        if (limits.reached) return undefined
        throw error
      } finally {
        limits.cancel()
      }
    },
  )
}

/** Ends a stream that is silent, or lasts longer than was asked for. */
class StreamLimits {
  readonly #response: IncomingMessage
  readonly #clock: Clock
  readonly #endsAt: number
  #timer: { cancel(): void } | undefined
  #reached = false

  constructor(response: IncomingMessage, lastsMs: number, clock: Clock) {
    this.#response = response
    this.#clock = clock
    this.#endsAt = clock.monotonic() + lastsMs
    this.heard()
  }

  get reached(): boolean {
    return this.#reached
  }

  heard(): void {
    this.#timer?.cancel()
    const leftMs = Math.min(SILENT_MS, this.#endsAt - this.#clock.monotonic())
    this.#timer = this.#clock.after(leftMs, () => {
      this.#reached = true
      this.#response.destroy(new Error('the stream was silent, or lasted too long'))
    })
  }

  cancel(): void {
    this.#timer?.cancel()
  }
}

async function readEvents(
  response: IncomingMessage,
  { told, signal }: WatchCall,
  asked: Asked,
  limits: StreamLimits,
): Promise<ApiError | undefined> {
  for await (const line of linesOf(response, asked, limits)) {
    // Whoever was told something may have ended it.
    if (signal?.aborted === true) break
    const event = eventOf(line, asked)
    if (event instanceof ApiError) return event
    told(event)
  }
  return undefined
}

async function* linesOf(response: IncomingMessage, asked: Asked, limits: StreamLimits): AsyncGenerator<string> {
  let parts: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue
    limits.heard()
    let start = 0
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start)
      const part = chunk.subarray(start, end < 0 ? chunk.length : end)
      size += part.length
      if (size > MAX_LINE_BYTES)
        throw new ApiError(
          'kubernetes-answer',
          `${describeAsked(asked)}: an event of more than ${MAX_LINE_BYTES} bytes`,
        )
      parts.push(part)
      if (end < 0) break
      if (size > 0) yield Buffer.concat(parts).toString('utf8')
      parts = []
      size = 0
      start = end + 1
    }
  }
  // What has no line end is no event: it comes again where the next watch goes on.
}

const kinds: Readonly<Record<string, 'put' | 'delete'>> = { ADDED: 'put', MODIFIED: 'put', DELETED: 'delete' }

function eventOf(line: string, asked: Asked): WatchEvent | ApiError {
  const what = describeAsked(asked)
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch {
    // The message of JSON.parse quotes what it was given.
    throw new ApiError('kubernetes-answer', `${what}: a line that is no JSON`)
  }
  const { type, object } = isRecord(event) ? event : {}
  if (type === 'ERROR') return errorOf(statusOf(object, 500), asked)
  if (type === 'BOOKMARK') {
    const metadata = isRecord(object) && isRecord(object['metadata']) ? object['metadata'] : {}
    return { type: 'bookmark', resourceVersion: versionOf(metadata['resourceVersion'], what) }
  }
  const kind = typeof type === 'string' && Object.hasOwn(kinds, type) ? kinds[type] : undefined
  if (kind === undefined) throw new ApiError('kubernetes-answer', `${what}: a line that is no event`)
  const changed = objectOf(object, what)
  return { type: kind, object: changed, resourceVersion: versionOf(changed.metadata.resourceVersion, what) }
}

function versionOf(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '')
    throw new ApiError('kubernetes-answer', `${what}: an event without a resourceVersion`)
  return value
}
