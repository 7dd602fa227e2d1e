import { http } from '../../lib/node-http.ts'
import { type HttpVersion, NO_BODY, UNKNOWN_LENGTH } from '../exchange.ts'
import { isMessageField, mayBeTrailer } from '../headers.ts'
import type { HttpLimits } from '../limits.ts'
import type { ProtocolFaultCode } from '../protocol-fault.ts'
import {
  COLON,
  CR,
  isAuthority,
  LF,
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

/**
 * Strict parsing of HTTP/1.x heads (RFC 9112). One rule shapes it: a message that two parsers could read differently is
 * refused, never repaired, so that what was decided on is what the next hop reads.
 */

/** What the fields say about the message itself. They are taken out of `headers`. */
class MessageFields {
  /** End-to-end fields, flat, names in lower case. */
  readonly headers: string[] = []
  host: string | undefined = undefined
  contentLength: number = NO_BODY
  chunked = false
  /** Tokens of Connection, lower case; undefined when there is none. */
  connection: string | undefined = undefined
  upgrade: string | undefined = undefined
  te: string | undefined = undefined
  expect: string | undefined = undefined
}

export class ParsedRequest extends MessageFields {
  method = ''
  target = ''
  authority = ''
  version: HttpVersion = 'HTTP/1.1'
  bodyLength: number = NO_BODY
  acceptsTrailers = false
  close = false
}

export class ParsedResponse extends MessageFields {
  status = 0
  version: HttpVersion = 'HTTP/1.1'
  close = false
}

/** `text` is one whole head as latin1, from the start line to the CRLF of its last field line, without the empty line. */
export function parseRequestHead(text: string, limits: HttpLimits): ParsedRequest | ProtocolFaultCode {
  const request = new ParsedRequest()
  const lineEnd = text.indexOf('\r')
  const fault =
    parseRequestLine(text, lineEnd, targetBytes(limits.fragments), request) ??
    parseFields(text, lineEnd, limits.maxHeadFields, limits.underscoresInHeaders === 'refuse', request) ??
    checkRequest(request)
  return fault ?? request
}

/** As parseRequestHead, for a response. */
export function parseResponseHead(text: string, limits: HttpLimits): ParsedResponse | ProtocolFaultCode {
  const response = new ParsedResponse()
  const lineEnd = text.indexOf('\r')
  const fault =
    parseStatusLine(text, lineEnd, response) ??
    parseFields(text, lineEnd, limits.maxHeadFields, false, response) ??
    checkResponse(response)
  return fault ?? response
}

const MAX_METHOD_LENGTH = 32

/** RFC 9112 section 3: exactly one SP between the parts, nothing else around them. */
function parseRequestLine(
  text: string,
  end: number,
  targetByte: Uint8Array,
  request: ParsedRequest,
): ProtocolFaultCode | undefined {
  if (text.charCodeAt(end + 1) !== LF) return 'bare-carriage-return'
  let at = 0
  while (at < end && tokenClass[text.charCodeAt(at)] !== NOT_TOKEN) at += 1
  if (at === 0 || at > MAX_METHOD_LENGTH) return text.charCodeAt(0) === LF ? 'bare-line-feed' : 'method-malformed'
  if (text.charCodeAt(at) !== SP) return text.charCodeAt(at) === LF ? 'bare-line-feed' : 'request-line-malformed'
  request.method = text.slice(0, at)
  const targetStart = at + 1
  at = targetStart
  while (at < end && targetByte[text.charCodeAt(at)] === 1) at += 1
  if (at === targetStart) return 'request-line-malformed'
  if (text.charCodeAt(at) !== SP) {
    if (text.charCodeAt(at) === LF) return 'bare-line-feed'
    return at === end ? 'request-line-malformed' : 'target-malformed'
  }
  request.target = text.slice(targetStart, at)
  return parseVersion(text, at + 1, end, request)
}

function parseVersion(
  text: string,
  start: number,
  end: number,
  message: { version: HttpVersion },
): ProtocolFaultCode | undefined {
  if (end - start !== 8 || !text.startsWith('HTTP/', start)) {
    return text.lastIndexOf('\n', end) >= start ? 'bare-line-feed' : 'request-line-malformed'
  }
  if (text.startsWith('1.1', start + 5)) message.version = 'HTTP/1.1'
  else if (text.startsWith('1.0', start + 5)) message.version = 'HTTP/1.0'
  else return /^\d\.\d$/.test(text.slice(start + 5, end)) ? 'version-unsupported' : 'request-line-malformed'
  return undefined
}

/** RFC 9112 section 4. The reason phrase is checked and dropped; some servers leave out the SP before an empty one. */
function parseStatusLine(text: string, end: number, response: ParsedResponse): ProtocolFaultCode | undefined {
  if (end < 12 || text.charCodeAt(8) !== SP) return 'status-line-malformed'
  const fault = parseVersion(text, 0, 8, response)
  if (fault !== undefined) return fault === 'request-line-malformed' ? 'status-line-malformed' : fault
  const status = parseDecimal(text.slice(9, 12))
  if (status < 100 || status > 599) return 'status-line-malformed'
  response.status = status
  if (end > 12 && text.charCodeAt(12) !== SP) return 'status-line-malformed'
  for (let at = 13; at < end; at += 1) if (valueByte[text.charCodeAt(at)] !== 1) return 'status-line-malformed'
  return undefined
}

/**
 * Parses field lines from `lineEnd`, which is where the CR of the start line stands, to the end of `text`.
 * RFC 9112 section 5; obs-fold, white space before the colon, bare CR and bare LF are refused.
 */
function parseFields(
  text: string,
  lineEnd: number,
  maxFields: number,
  refuseUnderscore: boolean,
  message: MessageFields,
): ProtocolFaultCode | undefined {
  const end = text.length
  const headers = message.headers
  if (text.charCodeAt(lineEnd + 1) !== LF) return 'bare-carriage-return'
  let at = lineEnd + 2
  let count = 0
  while (at < end) {
    if (++count > maxFields) return 'too-many-fields'
    const nameStart = at
    let upper = false
    let cls = tokenClass[text.charCodeAt(at)]
    while (cls !== NOT_TOKEN) {
      if (cls === UPPER) upper = true
      else if (cls === UNDERSCORE && refuseUnderscore) return 'underscore-in-field-name'
      at += 1
      cls = tokenClass[text.charCodeAt(at)]
    }
    if (at === nameStart || text.charCodeAt(at) !== COLON) return faultInName(text, nameStart, at)
    const name = upper ? text.slice(nameStart, at).toLowerCase() : text.slice(nameStart, at)
    at += 1
    let code = text.charCodeAt(at)
    while (code === SP || code === TAB) code = text.charCodeAt(++at)
    const valueStart = at
    while (valueByte[code] === 1) code = text.charCodeAt(++at)
    if (code !== CR) return code === LF ? 'bare-line-feed' : 'field-value-malformed'
    if (text.charCodeAt(at + 1) !== LF) return 'bare-carriage-return'
    let valueEnd = at
    while (valueEnd > valueStart) {
      code = text.charCodeAt(valueEnd - 1)
      if (code !== SP && code !== TAB) break
      valueEnd -= 1
    }
    at += 2
    const value = text.slice(valueStart, valueEnd)
    if (isMessageField(name)) {
      // `chunked<HTAB>` is chunked by the standard, and something unknown to parsers that trim spaces only.
      if (hasTab(text, nameStart + name.length, valueStart) || hasTab(text, valueEnd, at))
        return 'field-value-malformed'
      const fault = takeMessageField(name, value, message)
      if (fault !== undefined) return fault
    } else headers.push(name, value)
  }
  return undefined
}

function hasTab(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (text.charCodeAt(at) === TAB) return true
  return false
}

function faultInName(text: string, start: number, at: number): ProtocolFaultCode {
  const code = text.charCodeAt(at)
  if (code === LF) return 'bare-line-feed'
  if (code === CR && text.charCodeAt(at + 1) !== LF) return 'bare-carriage-return'
  if (code === SP || code === TAB) return at === start ? 'line-folding' : 'space-before-colon'
  return 'field-name-malformed'
}

function takeMessageField(name: string, value: string, message: MessageFields): ProtocolFaultCode | undefined {
  switch (name) {
    case 'host':
      if (message.host !== undefined) return 'host-duplicate'
      message.host = value
      return undefined
    case 'content-length':
      if (message.contentLength !== NO_BODY) return 'content-length-duplicate'
      message.contentLength = parseDecimal(value)
      return message.contentLength < 0 ? 'content-length-malformed' : undefined
    case 'transfer-encoding':
      // RFC 9112 section 6.1: a coding that we do not decode would hide where the body ends.
      if (message.chunked || value.toLowerCase() !== 'chunked') return 'transfer-encoding-unsupported'
      message.chunked = true
      return undefined
    case 'connection':
      message.connection =
        message.connection === undefined ? value.toLowerCase() : `${message.connection},${value.toLowerCase()}`
      return undefined
    case 'upgrade':
      message.upgrade =
        message.upgrade === undefined ? value.toLowerCase() : `${message.upgrade},${value.toLowerCase()}`
      return undefined
    case 'te':
      message.te = message.te === undefined ? value.toLowerCase() : `${message.te},${value.toLowerCase()}`
      return undefined
    case 'expect':
      if (message.expect !== undefined || value.toLowerCase() !== '100-continue') return 'expectation-unknown'
      message.expect = value
      return undefined
    default:
      // trailer, keep-alive, proxy-connection, http2-settings: of this connection only, and nothing that we offer.
      return undefined
  }
}

/** Connection options that say what we understand and never name a field to remove. */
const connectionOptions = new Set([
  'close',
  'keep-alive',
  'upgrade',
  'te',
  'http2-settings',
  'proxy-connection',
  'trailer',
])
/** A client that could have these removed on the way could change what was decided on. */
const neverNominated = new Set([
  'host',
  'content-length',
  'content-type',
  'cookie',
  'authorization',
  'expect',
  'cache-control',
])

/** RFC 9110 section 7.6.1: removes the fields that Connection names. Returns a fault, or whether `option` is among the tokens. */
function takeConnection(message: MessageFields): ProtocolFaultCode | readonly string[] {
  const listed = message.connection
  if (listed === undefined) return noTokens
  if (listed === 'close') return closeTokens
  if (listed === 'keep-alive') return noTokens
  const tokens = listed.split(/[ \t]*,[ \t]*/)
  const nominated: string[] = []
  for (const token of tokens) {
    if (token === '' || connectionOptions.has(token)) continue
    if (neverNominated.has(token) || token.startsWith('x-forwarded-') || !isToken(token)) return 'connection-malformed'
    nominated.push(token)
  }
  if (nominated.length > 0) {
    const kept = message.headers.splice(0)
    for (let index = 0; index < kept.length; index += 2) {
      if (!nominated.includes(kept[index]!)) message.headers.push(kept[index]!, kept[index + 1]!)
    }
  }
  return tokens
}

const noTokens: readonly string[] = []
const closeTokens: readonly string[] = ['close']

function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (tokenClass[text.charCodeAt(at)] === NOT_TOKEN) return false
  return text.length > 0
}

/**
 * The registered methods, as the parsers of applications know them. One that the next parser does not know may be read
 * there as anything. CONNECT asks for a tunnel to somewhere else, which is not what a sidecar is for.
 */
export const servedMethods: ReadonlySet<string> = new Set(http.METHODS.filter((method) => method !== 'CONNECT'))

function checkRequest(request: ParsedRequest): ProtocolFaultCode | undefined {
  if (!servedMethods.has(request.method)) return 'method-unsupported'
  const host = request.host
  if (host === undefined) return 'host-missing'
  request.authority = host.toLowerCase()
  if (!isAuthority(request.authority)) return 'host-malformed'
  const tokens = takeConnection(request)
  if (typeof tokens === 'string') return tokens
  request.acceptsTrailers = request.te !== undefined && /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/.test(request.te)
  request.close = request.version === 'HTTP/1.0' || tokens.includes('close')
  if (request.chunked) {
    if (request.version === 'HTTP/1.0') return 'transfer-encoding-in-1.0'
    if (request.contentLength !== NO_BODY) return 'length-and-encoding'
    request.bodyLength = UNKNOWN_LENGTH
  } else request.bodyLength = request.contentLength
  if (request.expect !== undefined && request.version === 'HTTP/1.1') request.headers.push('expect', '100-continue')
  // Only WebSocket: an `Upgrade: h2c` that a next hop grants would carry requests that nobody decides on. A server may
  // ignore Upgrade (RFC 9110 section 7.8), so others are ordinary requests.
  if (request.upgrade === 'websocket' && tokens.includes('upgrade') && request.version === 'HTTP/1.1') {
    if (request.method !== 'GET' || request.bodyLength > 0 || request.chunked) return 'upgrade-with-body'
  } else request.upgrade = undefined
  return checkTarget(request)
}

/** RFC 9112 section 3.2. Absolute form becomes origin form, and its authority must be the Host's. */
function checkTarget(request: ParsedRequest): ProtocolFaultCode | undefined {
  const target = request.target
  if (target.charCodeAt(0) === 0x2f) return undefined
  if (target === '*') return request.method === 'OPTIONS' ? undefined : 'target-malformed'
  const absolute = /^https?:\/\/([^/?]*)(.*)$/i.exec(target)
  if (absolute === null) return 'target-malformed'
  if (absolute[1]!.toLowerCase() !== request.authority) return 'host-mismatch'
  const rest = absolute[2]!
  // RFC 9112 section 3.2.4: OPTIONS without a path asks about the server as a whole.
  if (rest === '' && request.method === 'OPTIONS') request.target = '*'
  else request.target = rest.startsWith('/') ? rest : `/${rest}`
  return undefined
}

function checkResponse(response: ParsedResponse): ProtocolFaultCode | undefined {
  const tokens = takeConnection(response)
  if (typeof tokens === 'string') return tokens
  response.close = response.version === 'HTTP/1.0' || tokens.includes('close')
  // A body where there can be none would be read as the next response.
  // Where such a message ends, a parser that goes by its version and one that goes by its status say otherwise (RFC 9110, 15.2).
  if (response.status < 200 && response.version === 'HTTP/1.0') return 'informational-in-1.0'
  const bodiless = response.status < 200 || response.status === 204
  if (bodiless && (response.chunked || response.contentLength > 0)) response.close = true
  if (response.chunked) {
    if (response.version === 'HTTP/1.0') return 'transfer-encoding-in-1.0'
    if (response.contentLength !== NO_BODY) return 'length-and-encoding'
  }
  return undefined
}

/** Parses a trailer section: field lines, each with its CRLF. Framing and other forbidden fields are a fault. */
export function parseTrailers(text: string, limits: HttpLimits): string[] | ProtocolFaultCode {
  const section = new MessageFields()
  // The parser expects to stand at the CR of a start line.
  const fault = parseFields(`\r\n${text}`, 0, limits.maxHeadFields, limits.underscoresInHeaders === 'refuse', section)
  if (fault !== undefined) return fault
  const framing =
    section.host !== undefined ||
    section.contentLength !== NO_BODY ||
    section.chunked ||
    section.connection !== undefined
  if (framing || section.upgrade !== undefined || section.expect !== undefined) return 'trailer-forbidden'
  for (let index = 0; index < section.headers.length; index += 2) {
    if (!mayBeTrailer(section.headers[index]!)) return 'trailer-forbidden'
  }
  return section.headers
}
