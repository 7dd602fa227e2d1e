import { createHash } from 'node:crypto'
import { decodeBase64Url } from './base64.ts'

/*
 * The text of an API key: `ork_<id>_<secret><checksum>`.
 *   id        8 to 32 lower-case letters and digits; names the secret in the store and in logs.
 *   secret    32 random bytes, canonical base64url without padding: 43 characters.
 *   checksum  the first 8 hexadecimal digits of the SHA-256 of everything before it: with it a scanner of logs and repositories,
 *             or a person with a typing mistake, knows a key from other text without asking anybody.
 */

const SECRET_BYTES = 32
const SALT_BYTES = 16
const ID_BYTES = 8
const CHECKSUM_LENGTH = 8
const KEY = /^ork_([a-z0-9]{8,32})_([\w-]{43})([0-9a-f]{8})$/

/** The longest text that can be a key. */
export const MAX_API_KEY_LENGTH: number = 4 + 32 + 1 + 43 + CHECKSUM_LENGTH

export interface ApiKeyParts {
  readonly id: string
  /** 32 bytes. */
  readonly secret: Buffer
}

/** A key that was made just now: its text, which nobody keeps, and what is stored of it. */
export interface NewApiKey {
  readonly text: string
  readonly id: string
  /** base64url of 16 bytes. */
  readonly salt: string
  /** As `ApiKeySecret.hash`. */
  readonly hash: string
}

export function formatApiKey({ id, secret }: ApiKeyParts): string {
  const body = `ork_${id}_${secret.toString('base64url')}`
  return body + checksumOf(body)
}

/** `undefined` when it is not the text of a key: of another form, mistyped, or spelled in another way than `formatApiKey` does. */
export function parseApiKey(text: string): ApiKeyParts | undefined {
  if (text.length > MAX_API_KEY_LENGTH) return undefined
  const [, id, encoded, checksum] = KEY.exec(text) ?? []
  if (id === undefined || encoded === undefined) return undefined
  const secret = decodeBase64Url(encoded)
  if (secret?.length !== SECRET_BYTES || checksumOf(text.slice(0, -CHECKSUM_LENGTH)) !== checksum) return undefined
  return { id, secret }
}

/** What is stored of a secret of 256 random bits: one SHA-256 is enough, because there is nothing to guess. */
export function hashApiKeySecret(salt: Uint8Array, secret: Uint8Array): Buffer {
  return createHash('sha256').update(salt).update(secret).digest()
}

/** `random` has to be that of a cryptographic generator. */
export function newApiKey(random: (size: number) => Buffer): NewApiKey {
  const id = random(ID_BYTES).toString('hex')
  const secret = random(SECRET_BYTES)
  const salt = random(SALT_BYTES)
  return {
    text: formatApiKey({ id, secret }),
    id,
    salt: salt.toString('base64url'),
    hash: hashApiKeySecret(salt, secret).toString('hex'),
  }
}

function checksumOf(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, CHECKSUM_LENGTH)
}
