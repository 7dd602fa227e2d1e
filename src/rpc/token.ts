import { OutriderError } from '../lib/errors.ts'
import { parseSpiffeId, type SpiffeId } from '../identity/spiffe-id.ts'

/** What a sidecar is given to get its first identity. One string: `ort1.<SPIFFE ID>.<secret>.<root SHA-256>`. */
export interface JoinToken {
  /** The identity that the token is for. */
  readonly spiffeId: SpiffeId
  /** 32 random bytes, base64url: sent to the control server, and only after it showed the pinned root. */
  readonly secret: string
  /** SHA-256 of the root certificate (DER), hexadecimal: the pin of the control server. */
  readonly rootFingerprint: string
}

export const TOKEN_SECRET_BYTES = 32

const PREFIX = 'ort1'
const SHAPE = /^ort1\.([\w-]{1,2731})\.([\w-]{43})\.([\w-]{43})$/

export function formatJoinToken(token: JoinToken): string {
  const id = Buffer.from(token.spiffeId, 'utf8').toString('base64url')
  const pin = Buffer.from(token.rootFingerprint, 'hex').toString('base64url')
  return [PREFIX, id, token.secret, pin].join('.')
}

/** Parses a join token; throws `token-malformed`. The message never repeats the token. */
export function parseJoinToken(text: string): JoinToken {
  const parts = SHAPE.exec(text.trim())
  if (parts === null) {
    throw new OutriderError(
      'token-malformed',
      'this is not a join token: it starts with "ort1." and has four parts; was it cut short when copied?',
    )
  }
  const [, id = '', secret = '', pin = ''] = parts
  const decoded = [id, secret, pin].map((part) => Buffer.from(part, 'base64url'))
  if (decoded.some((bytes, index) => bytes.toString('base64url') !== [id, secret, pin][index])) {
    throw new OutriderError('token-malformed', 'the join token is not canonical base64url: was it changed by hand?')
  }
  let spiffeId: SpiffeId
  try {
    spiffeId = parseSpiffeId(decoded[0]!.toString('utf8'))
  } catch (cause) {
    throw new OutriderError('token-malformed', 'the join token does not hold a SPIFFE ID', { cause })
  }
  return { spiffeId, secret, rootFingerprint: decoded[2]!.toString('hex') }
}
