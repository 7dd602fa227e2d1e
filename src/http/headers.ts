/**
 * Header fields as one flat list `[name, value, name, value, ...]`: names in lower case, values without surrounding
 * white space, in the order of arrival. Framing (`content-length`, `transfer-encoding`), `host` and the hop-by-hop fields of
 * RFC 9110 section 7.6.1 are never in it: codecs take them out and write their own.
 */
export type Headers = readonly string[]

export const noHeaders: Headers = []

/** The first value of `name`, which must be in lower case. */
export function headerValue(headers: Headers, name: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index] === name) return headers[index + 1]
  }
  return undefined
}

/**
 * Fields but those of these names, however an application spells them: many read `x_user` and `x-user` as one name, where an
 * option lets the first one through.
 */
export function withoutFields(headers: Headers, names: ReadonlySet<string>): Headers {
  const kept: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    if (!names.has(name) && !(name.includes('_') && names.has(name.replaceAll('_', '-'))))
      kept.push(name, headers[index + 1]!)
  }
  return kept
}

/** Fields that describe one connection and are never forwarded (RFC 9110 section 7.6.1). */
export const hopByHopFields: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Fields that say how to read the message, or are of its connection: codecs take them out. By length first: a name of an
 * ordinary field costs one comparison.
 */
export function isMessageField(name: string): boolean {
  switch (name.length) {
    case 2:
      return name === 'te'
    case 4:
      return name === 'host'
    case 6:
      return name === 'expect'
    case 7:
      return name === 'upgrade' || name === 'trailer'
    case 10:
      return name === 'connection' || name === 'keep-alive'
    case 14:
      return name === 'content-length' || name === 'http2-settings'
    case 16:
      return name === 'proxy-connection'
    case 17:
      return name === 'transfer-encoding'
    default:
      return false
  }
}

/**
 * Fields that may not come in a trailer section: framing, routing, authentication and everything that was decided on
 * when the head came (RFC 9110 section 6.5.1).
 */
const forbiddenTrailers: ReadonlySet<string> = new Set([
  ...hopByHopFields,
  'authorization',
  'cache-control',
  'client-cert',
  'client-cert-chain',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'max-forwards',
  'proxy-authorization',
  'set-cookie',
  'traceparent',
  'x-forwarded-client-cert',
  'x-request-id',
])

export function mayBeTrailer(name: string): boolean {
  return !forbiddenTrailers.has(name) && !name.startsWith(':')
}
