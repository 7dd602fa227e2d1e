/** Character classes of RFC 9110 section 5.6 and RFC 9112 section 2.2, one table look-up a character. */

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const COLON = 0x3a

/** Not a token character. */
export const NOT_TOKEN = 0
/** A token character that needs no change of case. */
export const TOKEN = 1
/** A to Z. */
export const UPPER = 2
/** `_`: a token character, but some servers read it as `-`. */
export const UNDERSCORE = 3

/** Class of each byte in a token (RFC 9110 section 5.6.2). */
export const tokenClass: Uint8Array = new Uint8Array(256)
for (const character of "!#$%&'*+-.^`|~0123456789abcdefghijklmnopqrstuvwxyz")
  tokenClass[character.charCodeAt(0)] = TOKEN
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') tokenClass[character.charCodeAt(0)] = UPPER
tokenClass['_'.charCodeAt(0)] = UNDERSCORE

/** 1 for each byte that a field value may hold: HTAB, SP, VCHAR, obs-text (RFC 9110 section 5.5). */
export const valueByte: Uint8Array = new Uint8Array(256)
valueByte[TAB] = 1
valueByte.fill(1, 0x20, 0x7f)
valueByte.fill(1, 0x80, 0x100)

/** 1 for each byte that a request target with a fragment may hold: visible ASCII. */
const targetOrFragmentByte: Uint8Array = new Uint8Array(256)
targetOrFragmentByte.fill(1, 0x21, 0x7f)

/** 1 for each byte that a request target may hold: the same but `#`, which only begins a fragment. */
const targetByte: Uint8Array = targetOrFragmentByte.slice()
targetByte['#'.charCodeAt(0)] = 0

/** 1 for each byte that may stand in a request target, which has no fragment by RFC 9112 section 3.2. */
export function targetBytes(fragments: 'refuse' | 'allow'): Uint8Array {
  return fragments === 'allow' ? targetOrFragmentByte : targetByte
}

/** Value of each hexadecimal digit, 255 for any other byte. */
export const hexDigit: Uint8Array = new Uint8Array(256).fill(255)
for (let value = 0; value < 16; value += 1) {
  hexDigit[value.toString(16).charCodeAt(0)] = value
  hexDigit[value.toString(16).toUpperCase().charCodeAt(0)] = value
}

const MAX_DECIMAL_DIGITS = 15

/** The number that `text` spells in 1 to 15 decimal digits and nothing else, or -1. */
export function parseDecimal(text: string): number {
  if (text.length === 0 || text.length > MAX_DECIMAL_DIGITS) return -1
  let value = 0
  for (let at = 0; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

const hostPattern = /^(?:[a-z0-9](?:[a-z0-9._~-]*[a-z0-9_~-])?\.?|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?$/

/** Whether `authority` (lower case) is a host name, IPv4 or bracketed IPv6 address with an optional port (RFC 3986 section 3.2). */
export function isAuthority(authority: string): boolean {
  if (authority === lastAuthority) return true
  if (authority.length > 255 + 6) return false
  const match = hostPattern.exec(authority)
  if (match === null || (match[1] !== undefined && Number(match[1]) > 65535)) return false
  lastAuthority = authority
  return true
}

/** The one that was found to be right last: most requests name the same. */
let lastAuthority = ''
