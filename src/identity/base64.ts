/**
 * The bytes of canonical base64url without padding (RFC 7515, 2), otherwise `undefined`. Node's decoder skips what it
 * does not know and ignores bits that are left over: many texts would be one value.
 */
export function decodeBase64Url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

/** The bytes of canonical base64 with padding (RFC 4648, 4), otherwise `undefined`. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
