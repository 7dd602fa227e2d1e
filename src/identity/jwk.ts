import { createPublicKey, hash, type JsonWebKey, type KeyObject } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import { decodeBase64Url } from './base64.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { type JwsAlgorithm, jwsAlgorithms, keyFits } from './jws-algorithm.ts'

export const jwkErrorCodes = ['jwk-unsupported', 'jwk-malformed', 'jwk-private'] as const
export type JwkErrorCode = (typeof jwkErrorCodes)[number]

/** The public members of a JSON Web Key (RFC 7517), each in its one spelling, and the key that they are. */
export interface PublicJwk {
  readonly members: Readonly<Record<string, string>>
  readonly key: KeyObject
}

/** Members that are secret (RFC 7518, 6.2.2, 6.3.2 and 6.4.1; RFC 8037, 2). */
const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/** Bytes of a coordinate (RFC 7518, 6.2.1.2), or of a public key (RFC 8037, 2). */
const curves: Readonly<Record<string, { readonly kty: string; readonly bytes: number }>> = {
  'P-256': { kty: 'EC', bytes: 32 },
  'P-384': { kty: 'EC', bytes: 48 },
  'P-521': { kty: 'EC', bytes: 66 },
  Ed25519: { kty: 'OKP', bytes: 32 },
}

/** Of 8192 bits. */
const MAX_MODULUS_BYTES = 1024
const MAX_EXPONENT_BYTES = 4

/**
 * Reads a public key of a stranger, for signatures by one of `jwsAlgorithms`. A key with private members is refused: whoever shows
 * one has lost it. Throws `OutriderError<JwkErrorCode>`, whose message leaves it to the caller to name the key.
 */
export function readPublicJwk(jwk: JsonObject): PublicJwk {
  if (secretMembers.some((name) => Object.hasOwn(jwk, name)))
    throw new OutriderError('jwk-private', 'has members of a private or shared key: consider it known')
  const members = membersOf(jwk)
  const key = importKey(members)
  checkRsa(members)
  if (algorithmsOf(key).length === 0) throw unsupported('is no key for signatures here, or too weak')
  return { members, key }
}

/** Algorithms that a signature of this key can have. */
export function algorithmsOf(key: KeyObject): readonly JwsAlgorithm[] {
  return jwsAlgorithms.filter((algorithm) => keyFits(algorithm, key))
}

/** Names a key by its public members alone: SHA-256, base64url. RFC 7638, 3. */
export function thumbprintOf({ members }: PublicJwk): string {
  const names = Object.keys(members).toSorted()
  return hash('sha256', `{${names.map((name) => `"${name}":"${members[name]}"`).join(',')}}`, 'base64url')
}

/** Required ones only (RFC 7638, 3.2): nothing else of the key is believed. */
function membersOf({ kty, crv, x, y, n, e }: JsonObject): Record<string, string> {
  if (kty === 'RSA') return { kty, n: unsigned(n, MAX_MODULUS_BYTES, 'n'), e: unsigned(e, MAX_EXPONENT_BYTES, 'e') }
  const curve = typeof crv === 'string' && Object.hasOwn(curves, crv) ? curves[crv] : undefined
  if (typeof kty !== 'string' || typeof crv !== 'string' || curve?.kty !== kty)
    throw unsupported('has a key type or curve that is not used here')
  if (kty === 'OKP') return { kty, crv, x: fixed(x, curve.bytes, 'x') }
  return { kty, crv, x: fixed(x, curve.bytes, 'x'), y: fixed(y, curve.bytes, 'y') }
}

function fixed(value: JsonValue | undefined, bytes: number, name: string): string {
  if (typeof value === 'string' && decodeBase64Url(value)?.length === bytes) return value
  throw malformed(`has no "${name}" of ${bytes} bytes in canonical base64url`)
}

/** RFC 7518, 2: as many bytes as the number needs. */
function unsigned(value: JsonValue | undefined, maxBytes: number, name: string): string {
  const bytes = typeof value === 'string' ? decodeBase64Url(value) : undefined
  if (typeof value === 'string' && bytes?.[0] !== undefined && bytes[0] !== 0 && bytes.length <= maxBytes) return value
  throw malformed(`has no "${name}" of 1 to ${maxBytes} bytes in canonical base64url`)
}

/** Exponents of 1 and of two make no signatures; moduli of one maker's chips are factored (CVE-2017-15361, ROCA). */
function checkRsa({ n, e }: Record<string, string>): void {
  if (n === undefined || e === undefined) return
  const exponent = numberOf(e)
  if (exponent < 3n || exponent % 2n === 0n) throw malformed('has an exponent that is even, or below 3')
  const modulus = numberOf(n)
  if (rocaResidues().every(({ prime, residues }) => residues.has(Number(modulus % prime))))
    throw unsupported('has a modulus of the kind that was made with a known flaw (ROCA)')
}

function numberOf(base64url: string): bigint {
  return BigInt(`0x${Buffer.from(base64url, 'base64url').toString('hex')}`)
}

interface RocaResidues {
  readonly prime: bigint
  /** The powers of 65537 modulo the prime: all that a flawed modulus can leave. */
  readonly residues: ReadonlySet<number>
}

const ROCA_PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167,
]
let roca: readonly RocaResidues[] | undefined

/** Made when there is a first RSA key. A modulus without the flaw leaves such residues by chance less than once in 10^8. */
function rocaResidues(): readonly RocaResidues[] {
  roca ??= ROCA_PRIMES.map((prime) => {
    const residues = new Set<number>()
    for (let power = 1; !residues.has(power); power = (power * 65_537) % prime) residues.add(power)
    return { prime: BigInt(prime), residues }
  })
  return roca
}

function importKey(members: JsonWebKey): KeyObject {
  try {
    return createPublicKey({ key: members, format: 'jwk' })
  } catch (cause) {
    throw new OutriderError('jwk-malformed', 'is no key that OpenSSL takes', { cause })
  }
}

function unsupported(message: string): OutriderError<JwkErrorCode> {
  return new OutriderError('jwk-unsupported', message)
}

function malformed(message: string): OutriderError<JwkErrorCode> {
  return new OutriderError('jwk-malformed', message)
}
