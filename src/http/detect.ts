import { servedMethods } from './h1/head.ts'

/** What the first bytes of a client show. `tcp`: nothing that we know. */
export type DetectedProtocol = 'tls' | 'http1' | 'http2' | 'tcp'

/** So many bytes decide always. */
export const DETECTION_BYTES = 24

/** RFC 9113 section 3.4. */
const prefaceOfHttp2 = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** With CONNECT, which the HTTP engine then refuses in HTTP's own words. */
const methods: readonly string[] = [...servedMethods, 'CONNECT']

/**
 * What a connection that begins with `bytes` speaks; `undefined` while more bytes may still decide otherwise. A ClientHello
 * (RFC 8446 section 5.1), the preface of HTTP/2, or a registered method with the begin of a target: all else is `tcp`.
 */
export function detectProtocol(bytes: Buffer): DetectedProtocol | undefined {
  if (bytes[0] === 0x16) return bytes.length === 1 ? undefined : bytes[1] === 0x03 ? 'tls' : 'tcp'
  const text = bytes.toString('latin1', 0, DETECTION_BYTES)
  if (prefaceOfHttp2.startsWith(text)) return text.length === prefaceOfHttp2.length ? 'http2' : undefined
  const space = text.indexOf(' ')
  if (space === -1) return methods.some((method) => method.startsWith(text)) ? undefined : 'tcp'
  const method = text.slice(0, space)
  return methods.includes(method) ? detectTarget(method, text.slice(space + 1)) : 'tcp'
}

/** The forms of RFC 9112 section 3.2. A word alone is none: text protocols have commands such as `GET key`. */
function detectTarget(method: string, target: string): 'http1' | 'tcp' | undefined {
  if (target === '') return undefined
  if (target.startsWith('/') || target.startsWith('*')) return 'http1'
  if (method === 'CONNECT') return /^[\w[]/.test(target) ? 'http1' : 'tcp'
  const begun = target.toLowerCase()
  if (/^https?:\/\//.test(begun)) return 'http1'
  return 'http://'.startsWith(begun) || 'https://'.startsWith(begun) ? undefined : 'tcp'
}
