import { type KeyObject, sign, verify } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import { about } from './about.ts'
import { decodeBase64Url } from './base64.ts'
import { type JsonErrorCode, type JsonObject, parseJsonObject, quoteJson } from './json.ts'
import { type JwsAlgorithm, keyFits, rulesOf } from './jws-algorithm.ts'

export type { JwsAlgorithm } from './jws-algorithm.ts'

/** A JSON Web Signature in compact serialization (RFC 7515, 7.1), taken apart; whose it is, `verifyJws` says. */
export interface Jws {
  /** Protected all of it: the compact form has no other. */
  readonly header: JsonObject
  readonly algorithm: JwsAlgorithm
  readonly payload: Buffer
  /** What is signed (RFC 7515, 5.2). */
  readonly signingInput: Buffer
  readonly signature: Buffer
}

export const jwsErrorCodes = [
  'jws-too-large',
  'jws-malformed',
  'jws-not-canonical',
  'jws-critical',
  'jws-algorithm',
  'jws-key-mismatch',
  'jws-signature-length',
  'jws-signature-invalid',
] as const
export type JwsErrorCode = (typeof jwsErrorCodes)[number] | JsonErrorCode

/**
 * Takes a token apart. Its algorithm has to be among `allowed`, which is the caller's list and never the token's. Throws
 * `OutriderError<JwsErrorCode>`, whose message leaves it to the caller to name the token; so do the functions below.
 */
export function parseJws(token: string, allowed: readonly JwsAlgorithm[], maxLength: number): Jws {
  if (token.length > maxLength)
    throw refusal('jws-too-large', `is ${token.length} characters long, at most ${maxLength} are read`)
  const parts = token.split('.', 4)
  const [header = '', payload = '', signature = ''] = parts
  if (parts.length !== 3)
    throw refusal('jws-malformed', 'is not a JWS in compact serialization: three parts with dots between them')
  const headerBytes = decode(header, 'header')
  const members = about('has a header that', () => parseJsonObject(headerBytes))
  // RFC 7515, 4.1.11: an extension that has to be understood. None is.
  if (members['crit'] !== undefined) throw refusal('jws-critical', 'has critical header parameters')
  const algorithm = allowed.find((name) => name === members['alg'])
  if (algorithm === undefined)
    throw refusal('jws-algorithm', `has the algorithm ${quoteJson(members['alg'])}, allowed is ${allowed.join(', ')}`)
  return {
    header: members,
    algorithm,
    payload: decode(payload, 'payload'),
    signature: decode(signature, 'signature'),
    signingInput: Buffer.from(token.slice(0, token.lastIndexOf('.')), 'latin1'),
  }
}

function decode(part: string, name: string): Buffer {
  const bytes = decodeBase64Url(part)
  if (bytes === undefined) throw refusal('jws-not-canonical', `has a ${name} that is not canonical base64url`)
  return bytes
}

/** Returns when `key` made the signature, and throws otherwise. */
export function verifyJws({ algorithm, signingInput, signature }: Jws, key: KeyObject): void {
  const { signatureBytes } = rulesOf(algorithm)
  checkKey(algorithm, key, 'public')
  if (signatureBytes !== undefined && signature.length !== signatureBytes)
    throw refusal(
      'jws-signature-length',
      `has a signature of ${signature.length} bytes, one of ${algorithm} has ${signatureBytes}`,
    )
  if (!isSignature(algorithm, signingInput, key, signature))
    throw refusal('jws-signature-invalid', 'has a signature that was not made with the key it names')
}

/** OpenSSL refuses an r or s that is not from 1 to n - 1. */
function isSignature(algorithm: JwsAlgorithm, data: Buffer, key: KeyObject, signature: Buffer): boolean {
  const { hash, options } = rulesOf(algorithm)
  try {
    return verify(hash, data, { key, ...options }, signature)
  } catch {
    return false
  }
}

function checkKey(algorithm: JwsAlgorithm, key: KeyObject, type: 'public' | 'private'): void {
  if (key.type !== type || !keyFits(algorithm, key))
    throw refusal('jws-key-mismatch', `names ${algorithm}, which is not what its key is for`)
}

/** The compact serialization of `payload`, signed. `header` gets its `alg` here. */
export function signJws(header: JsonObject, payload: JsonObject, algorithm: JwsAlgorithm, key: KeyObject): string {
  checkKey(algorithm, key, 'private')
  const signingInput = `${encode({ ...header, alg: algorithm })}.${encode(payload)}`
  const { hash, options } = rulesOf(algorithm)
  const signature = sign(hash, Buffer.from(signingInput, 'latin1'), { key, ...options })
  return `${signingInput}.${signature.toString('base64url')}`
}

function encode(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')
}

function refusal(code: JwsErrorCode, message: string): OutriderError<JwsErrorCode> {
  return new OutriderError(code, message)
}
