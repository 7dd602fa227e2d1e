import { OutriderError } from '../lib/errors.ts'
import { quote } from './about.ts'
import { decodeBase64Url } from './base64.ts'
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts'

/** What the bearer of a token has to prove beside the token (RFC 7800, 3.1): all that is there. */
export interface Confirmation {
  /** SHA-256 of the certificate (DER) of its TLS connection, base64url. RFC 8705, 3.1. */
  readonly certificate: string | undefined
  /** Thumbprint of the key of its DPoP proofs. RFC 9449, 6.1. */
  readonly dpopKey: string | undefined
}

const SHA256_BYTES = 32

/**
 * The claim `cnf`, if there is one. A way to confirm that is not known here could not be checked: it refuses the token. Throws
 * `OutriderError` with `token-binding-unknown`.
 */
export function readConfirmation({ cnf }: JsonObject): Confirmation | undefined {
  if (cnf === undefined) return undefined
  if (!isJsonObject(cnf)) throw unknown('has a claim "cnf" that is no object')
  const other = Object.keys(cnf).find((name) => name !== 'x5t#S256' && name !== 'jkt')
  if (other !== undefined) throw unknown(`is bound by ${quote(other)}, which cannot be checked here`)
  const confirmation = { certificate: digest(cnf['x5t#S256'], 'x5t#S256'), dpopKey: digest(cnf['jkt'], 'jkt') }
  if (confirmation.certificate === undefined && confirmation.dpopKey === undefined)
    throw unknown('is bound to nothing: its claim "cnf" is empty')
  return confirmation
}

function digest(value: JsonValue | undefined, name: string): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && decodeBase64Url(value)?.length === SHA256_BYTES) return value
  throw unknown(`is bound by a "${name}" that is no SHA-256 in canonical base64url`)
}

function unknown(message: string): OutriderError<'token-binding-unknown'> {
  return new OutriderError('token-binding-unknown', message)
}
