import { http } from '../../lib/node-http.ts'
import { NO_BODY, type RequestHead, UNKNOWN_LENGTH } from '../exchange.ts'
import { isMessageField, mayBeTrailer, noHeaders } from '../headers.ts'
import type { HttpLimits } from '../limits.ts'
import {
  isAuthority,
  NOT_TOKEN,
  parseDecimal,
  SP,
  TAB,
  targetBytes,
  tokenClass,
  UNDERSCORE,
  UPPER,
  valueByte,
} from '../syntax.ts'
import type { MessageFaultCode } from './fault.ts'

/**
 * What a decoded field block says, or why it says nothing (RFC 9113 section 8). Malformed messages are stream errors, and
 * what HTTP/1.1 could read differently is one: an HTTP/1 application gets what was said here and nothing else.
 */

export class ParsedRequest implements RequestHead {
  method = ''
  authority = ''
  target = ''
  headers: string[] = []
  bodyLength: number = NO_BODY
  upgrade: string | undefined = undefined
  acceptsTrailers = false
  readonly version = 'HTTP/2'
}

export class ParsedResponse {
  status = 0
  headers: string[] = []
  contentLength: number = NO_BODY
}

const servedMethods: ReadonlySet<string> = new Set(http.METHODS)

/** RFC 9113 section 8.2.1, and never an upper-case letter. */
function faultInName(name: string, refuseUnderscore: boolean): MessageFaultCode | undefined {
  if (name.length === 0) return 'h2-field-name'
  for (let at = 0; at < name.length; at += 1) {
    const cls = tokenClass[name.charCodeAt(at)]
    if (cls === NOT_TOKEN || cls === UPPER) return 'h2-field-name'
    if (cls === UNDERSCORE && refuseUnderscore) return 'underscore-in-field-name'
  }
  return undefined
}

/** RFC 9113 section 8.2.1: no control character, no white space at either end. */
function isValue(value: string): boolean {
  const last = value.length - 1
  if (last < 0) return true
  const head = value.charCodeAt(0)
  const tail = value.charCodeAt(last)
  if (head === SP || head === TAB || tail === SP || tail === TAB) return false
  for (let at = 0; at <= last; at += 1) if (valueByte[value.charCodeAt(at)] !== 1) return false
  return true
}

/** What pseudo-header and message fields say, before it is checked as a whole. */
interface Said {
  method: string | undefined
  scheme: string | undefined
  authority: string | undefined
  path: string | undefined
  protocol: string | undefined
  status: string | undefined
  host: string | undefined
  contentLength: number
  te: boolean
  /** Where its value stands among the fields. */
  cookieAt: number | undefined
  expect: boolean
}

/**
 * Reads a head; end-to-end fields go to `headers`. `before` is a head of the same kind and connection that was right: most
 * fields of one are those of the other, mostly the very same strings of the HPACK table, and need no second look.
 */
function readHead(
  fields: readonly string[],
  limits: HttpLimits,
  headers: string[],
  request: boolean,
  before: readonly string[],
): Said | MessageFaultCode {
  const said: Said = {
    method: undefined,
    scheme: undefined,
    authority: undefined,
    path: undefined,
    protocol: undefined,
    status: undefined,
    host: undefined,
    contentLength: NO_BODY,
    te: false,
    cookieAt: undefined,
    expect: false,
  }
  const refuseUnderscore = request && limits.underscoresInHeaders === 'refuse'
  let index = 0
  for (; index < fields.length; index += 2) {
    const name = fields[index]!
    if (name.charCodeAt(0) !== 0x3a) break
    const fault = takePseudo(name, fields[index + 1]!, said, request)
    if (fault !== undefined) return fault
  }
  for (; index < fields.length; index += 2) {
    const name = fields[index]!
    const value = fields[index + 1]!
    if (name.charCodeAt(0) === 0x3a) return 'h2-pseudo-fields'
    if (name !== before[index] || value !== before[index + 1]) {
      const fault = faultInName(name, refuseUnderscore)
      if (fault !== undefined) return fault
      if (!isValue(value)) return 'h2-field-value'
    }
    if (isMessageField(name) || name === 'cookie') {
      const fault = takeMessageField(name, value, said, request, headers)
      if (fault !== undefined) return fault
    } else headers.push(name, value)
  }
  return said
}

function takePseudo(name: string, value: string, said: Said, request: boolean): MessageFaultCode | undefined {
  const key = request ? pseudoOfRequest(name) : name === ':status' ? 'status' : undefined
  if (key === undefined || said[key] !== undefined) return 'h2-pseudo-fields'
  said[key] = value
  return undefined
}

function pseudoOfRequest(name: string): 'method' | 'scheme' | 'authority' | 'path' | 'protocol' | undefined {
  switch (name) {
    case ':method':
      return 'method'
    case ':scheme':
      return 'scheme'
    case ':authority':
      return 'authority'
    case ':path':
      return 'path'
    case ':protocol':
      return 'protocol'
    default:
      return undefined
  }
}

/** An empty piece adds nothing: behind the separator's space the value would end with white space. */
function joinCookies(cookies: string, value: string): string {
  return cookies === '' || value === '' ? cookies + value : `${cookies}; ${value}`
}

function takeMessageField(
  name: string,
  value: string,
  said: Said,
  request: boolean,
  headers: string[],
): MessageFaultCode | undefined {
  switch (name) {
    case 'content-length':
      if (said.contentLength !== NO_BODY) return 'h2-content-length'
      said.contentLength = parseDecimal(value)
      return said.contentLength < 0 ? 'h2-content-length' : undefined
    case 'cookie':
      // RFC 9113 section 8.2.3: one field again for whoever speaks HTTP/1.1.
      if (!request || said.cookieAt === undefined) said.cookieAt = headers.push(name, value) - 1
      else headers[said.cookieAt] = joinCookies(headers[said.cookieAt]!, value)
      return undefined
    case 'host':
      if (!request) headers.push(name, value)
      else if (said.host !== undefined) return 'host-duplicate'
      else said.host = value
      return undefined
    case 'te':
      if (value.toLowerCase() !== 'trailers') return 'h2-connection-field'
      said.te = true
      return undefined
    case 'expect':
      if (!request) headers.push(name, value)
      else if (said.expect || value.toLowerCase() !== '100-continue') return 'expectation-unknown'
      else {
        said.expect = true
        headers.push('expect', '100-continue')
      }
      return undefined
    case 'trailer':
      // Announces trailers; they are known when they come.
      return undefined
    default:
      return 'h2-connection-field'
  }
}

/** RFC 9113 section 8.3.1; extended CONNECT is RFC 8441 section 4. `ended`: no content follows; `before`: as in readHead. */
export function parseRequest(
  fields: readonly string[],
  limits: HttpLimits,
  ended: boolean,
  before: readonly string[] = noHeaders,
): ParsedRequest | MessageFaultCode {
  const request = new ParsedRequest()
  const said = readHead(fields, limits, request.headers, true, before)
  if (typeof said === 'string') return said
  const { method, scheme, path, protocol, contentLength } = said
  if (method === undefined || method === '') return 'h2-pseudo-fields'
  const connect = method === 'CONNECT'
  const tunnel = connect && protocol === undefined
  // A plain CONNECT has neither scheme nor path; every other request has both.
  if (tunnel ? scheme !== undefined || path !== undefined : scheme === undefined || path === undefined || path === '') {
    return 'h2-pseudo-fields'
  }
  if (protocol !== undefined && !connect) return 'h2-pseudo-fields'
  if (!isValue(method) || !servedMethods.has(method)) return 'method-unsupported'
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') return 'h2-pseudo-fields'
  const authority = said.authority ?? said.host
  if (authority === undefined || (tunnel && said.authority === undefined)) return 'h2-pseudo-fields'
  if (said.host !== undefined && said.host.toLowerCase() !== authority.toLowerCase()) return 'host-mismatch'
  request.authority = authority.toLowerCase()
  if (!isAuthority(request.authority)) return 'host-malformed'
  request.acceptsTrailers = said.te
  request.method = method
  if (ended) {
    if (contentLength > 0) return 'h2-content-length'
    request.bodyLength = contentLength
  } else request.bodyLength = contentLength === NO_BODY ? UNKNOWN_LENGTH : contentLength
  if (tunnel) return contentLength === NO_BODY ? request : 'h2-content-length'
  request.target = path!
  if (path !== '*' || method !== 'OPTIONS') {
    if (path!.charCodeAt(0) !== 0x2f) return 'target-malformed'
    const targetByte = targetBytes(limits.fragments)
    for (let at = 0; at < path!.length; at += 1) {
      if (targetByte[path!.charCodeAt(at)] !== 1) return 'target-malformed'
    }
  }
  if (!connect) return request
  if (protocol !== 'websocket') return 'method-unsupported'
  if (contentLength !== NO_BODY || ended) return 'upgrade-with-body'
  request.method = 'GET'
  request.upgrade = 'websocket'
  request.bodyLength = NO_BODY
  return request
}

/** RFC 9113 section 8.3.2. 101 does not exist here. */
export function parseResponse(
  fields: readonly string[],
  limits: HttpLimits,
  before: readonly string[] = noHeaders,
): ParsedResponse | MessageFaultCode {
  const response = new ParsedResponse()
  const said = readHead(fields, limits, response.headers, false, before)
  if (typeof said === 'string') return said
  const { status = '' } = said
  response.status = status.length === 3 ? parseDecimal(status) : -1
  if (response.status < 100 || response.status > 599 || response.status === 101) return 'h2-pseudo-fields'
  response.contentLength = said.contentLength
  return response
}

/** RFC 9113 section 8.1: field lines behind the content, without pseudo-header fields. */
export function parseTrailers(fields: string[], limits: HttpLimits): string[] | MessageFaultCode {
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index]!
    const fault = faultInName(name, limits.underscoresInHeaders === 'refuse')
    if (fault !== undefined) return name.startsWith(':') ? 'h2-trailers' : fault
    if (!isValue(fields[index + 1]!)) return 'h2-field-value'
    if (!mayBeTrailer(name)) return 'h2-trailers'
  }
  return fields
}
