/** So many fresh random bytes in hexadecimal digits; `pooledHex` makes it cheap. */
export type RandomHex = (bytes: number) => string

const POOL_BYTES = 4096

/** Hands out pieces of one text of random digits, for which `fill` was asked once: an id costs a slice of a string. */
export function pooledHex(fill: (bytes: Buffer) => void): RandomHex {
  const bytes = Buffer.alloc(POOL_BYTES)
  let pool = ''
  let used = 0
  return (size) => {
    if (used + 2 * size > pool.length) {
      fill(bytes)
      pool = bytes.toString('hex')
      used = 0
    }
    used += 2 * size
    return pool.slice(used - 2 * size, used)
  }
}

/** W3C Trace Context, section 3.2: ids in lower-case hexadecimal. */
export interface TraceParent {
  /** 32 digits, not all zero. */
  readonly traceId: string
  /** 16 digits, not all zero: the caller's span. */
  readonly spanId: string
  readonly sampled: boolean
}

/** Where a request stands in its trace, at this hop. */
export interface TraceHop {
  readonly traceId: string
  /** Our own span. */
  readonly spanId: string
  /** The `traceparent` to forward: the caller's trace with our span as its parent. */
  readonly header: string
  /** False when a new trace was begun: then an incoming `tracestate` belongs to nothing and must not be forwarded. */
  readonly continued: boolean
}

const SAMPLED = 0x01
/** Section 3.2.4: of a later version, read the parts that version 0 has; more may follow after a dash. ff is none. */
const form = /^(?!ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/
const LENGTH = 55
const zeroTrace = '0'.repeat(32)
const zeroSpan = '0'.repeat(16)

/** The trace context of a `traceparent` header, or `undefined` when it breaks the standard: then it is ignored. */
export function parseTraceparent(text: string): TraceParent | undefined {
  if (!form.test(text) || (text.length > LENGTH && text.startsWith('00'))) return undefined
  const traceId = text.slice(3, 35)
  const spanId = text.slice(36, 52)
  if (traceId === zeroTrace || spanId === zeroSpan) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(text.slice(53, LENGTH), 16) & SAMPLED) !== 0 }
}

/**
 * The hop of a request that came with this `traceparent` (the empty text: without one). A trace that begins here is
 * sampled when `sampleNew` says so.
 */
export function traceHop(traceparent: string, random: RandomHex, sampleNew: boolean): TraceHop {
  const parent = traceparent === '' ? undefined : parseTraceparent(traceparent)
  const traceId = parent?.traceId ?? randomId(random, 16)
  const spanId = randomId(random, 8)
  const flags = (parent?.sampled ?? sampleNew) ? '01' : '00'
  return { traceId, spanId, header: `00-${traceId}-${spanId}-${flags}`, continued: parent !== undefined }
}

/** Never all zero: that id means "none". */
function randomId(random: RandomHex, bytes: number): string {
  for (;;) {
    const id = random(bytes)
    if (id !== zeroSpan && id !== zeroTrace) return id
  }
}

const requestIdForm = /^[A-Za-z0-9._-]{1,128}$/

/** The caller's `x-request-id` where it is fit for logs and headers, else (or for the empty text) a fresh one. */
export function requestIdOf(given: string, random: RandomHex): string {
  return given !== '' && requestIdForm.test(given) ? given : random(16)
}
