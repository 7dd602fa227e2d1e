import { OutriderError } from '../lib/errors.ts'
import { quote } from './about.ts'

declare const spiffeId: unique symbol
declare const trustDomain: unique symbol

/** A valid SPIFFE ID, `spiffe://<trust domain><path>`. Only this file makes one; two are equal when `===` says so. */
export type SpiffeId = string & { readonly [spiffeId]: true }

/** A valid trust domain name, such as `example.org`. Only this file makes one. */
export type TrustDomain = string & { readonly [trustDomain]: true }

/** One code per rule of the SPIFFE-ID standard, section 2. */
export const spiffeIdErrorCodes = [
  'spiffe-id-empty',
  'spiffe-id-too-long',
  'spiffe-id-scheme',
  'spiffe-id-trust-domain-empty',
  'spiffe-id-trust-domain-too-long',
  'spiffe-id-trust-domain-character',
  'spiffe-id-path-character',
  'spiffe-id-path-empty-segment',
  'spiffe-id-path-dot-segment',
  'spiffe-id-path-trailing-slash',
] as const
export type SpiffeIdErrorCode = (typeof spiffeIdErrorCodes)[number]

const SCHEME = 'spiffe://'
const MAX_ID_LENGTH = 2048
const MAX_TRUST_DOMAIN_LENGTH = 255

/** All that `parseSpiffeId` takes, and no more but for its length. A segment of one dot or two is none. */
export const spiffeIdForm: RegExp = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?:\.{0,2}[\w-]|\.{3})[\w.-]*)*$/
/** The same of `parseTrustDomain`. */
export const trustDomainForm: RegExp = /^[a-z0-9._-]{1,255}$/

/** Throws `OutriderError<SpiffeIdErrorCode>`. SPIFFE-ID standard, section 2. */
export function parseSpiffeId(text: string): SpiffeId {
  checkSpiffeId(text)
  return text
}

/** Throws `OutriderError<SpiffeIdErrorCode>`. SPIFFE-ID standard, section 2.1. */
export function parseTrustDomain(text: string): TrustDomain {
  checkTrustDomain(text)
  return text
}

function checkSpiffeId(text: string): asserts text is SpiffeId {
  if (text === '') throw refusal('spiffe-id-empty', 'a SPIFFE ID is not empty')
  // What is accepted further down is ASCII, so that characters count bytes here.
  if (text.length > MAX_ID_LENGTH)
    throw refusal('spiffe-id-too-long', `a SPIFFE ID has at most ${MAX_ID_LENGTH} bytes, this one ${text.length}`)
  if (!text.startsWith(SCHEME)) throw refusal('spiffe-id-scheme', `a SPIFFE ID starts with ${SCHEME}: ${quote(text)}`)
  const slash = text.indexOf('/', SCHEME.length)
  checkTrustDomain(slash === -1 ? text.slice(SCHEME.length) : text.slice(SCHEME.length, slash))
  if (slash !== -1) checkPath(text.slice(slash))
}

function checkTrustDomain(text: string): asserts text is TrustDomain {
  if (text === '') throw refusal('spiffe-id-trust-domain-empty', 'a trust domain is not empty')
  if (text.length > MAX_TRUST_DOMAIN_LENGTH)
    throw refusal(
      'spiffe-id-trust-domain-too-long',
      `a trust domain has at most ${MAX_TRUST_DOMAIN_LENGTH} bytes, this one ${text.length}`,
    )
  if (/[^a-z0-9._-]/.test(text))
    throw refusal(
      'spiffe-id-trust-domain-character',
      `a trust domain has lower-case letters, digits, dots, dashes and underscores only: ${quote(text)}`,
    )
}

/** SPIFFE-ID standard, section 2.2. `path` starts with a slash. */
function checkPath(path: string): void {
  if (/[^a-zA-Z0-9._/-]/.test(path))
    throw refusal(
      'spiffe-id-path-character',
      `the path of a SPIFFE ID has letters, digits, dots, dashes, underscores and slashes only: ${quote(path)}`,
    )
  if (path.includes('//'))
    throw refusal('spiffe-id-path-empty-segment', `the path of a SPIFFE ID has no empty segment: ${quote(path)}`)
  if (path.endsWith('/'))
    throw refusal('spiffe-id-path-trailing-slash', `the path of a SPIFFE ID does not end with a slash: ${quote(path)}`)
  if (/\/\.\.?(?:\/|$)/.test(path))
    throw refusal('spiffe-id-path-dot-segment', `the path of a SPIFFE ID has no . or .. segment: ${quote(path)}`)
}

export function trustDomainOf(id: SpiffeId): TrustDomain {
  const slash = id.indexOf('/', SCHEME.length)
  return parseTrustDomain(slash === -1 ? id.slice(SCHEME.length) : id.slice(SCHEME.length, slash))
}

/** `''` for the ID of the trust domain itself, otherwise with the leading slash. */
export function pathOf(id: SpiffeId): string {
  const slash = id.indexOf('/', SCHEME.length)
  return slash === -1 ? '' : id.slice(slash)
}

/** The segment after `/ns/` of a path `/ns/<namespace>/...`. */
export function namespaceOf(id: SpiffeId): string | undefined {
  return /^\/ns\/([^/]+)\//.exec(pathOf(id))?.[1]
}

/** `<namespace>/<name>` of an ID whose whole path is `/ns/<namespace>/sa/<name>`. */
export function serviceAccountOf(id: SpiffeId): string | undefined {
  const [, namespace, name] = /^\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(pathOf(id)) ?? []
  return namespace === undefined ? undefined : `${namespace}/${name}`
}

/** Throws `OutriderError<SpiffeIdErrorCode>` when `path` is neither empty nor a valid path with its leading slash. */
export function spiffeIdOf(trustDomain: TrustDomain, path: string): SpiffeId {
  // Without this, a path such as `.evil.org/x` would move the ID to another trust domain.
  if (path !== '' && !path.startsWith('/'))
    throw refusal('spiffe-id-path-character', `the path of a SPIFFE ID starts with a slash: ${quote(path)}`)
  return parseSpiffeId(`${SCHEME}${trustDomain}${path}`)
}

function refusal(code: SpiffeIdErrorCode, message: string): OutriderError<SpiffeIdErrorCode> {
  return new OutriderError(code, message)
}

/** The identity that every control server of a trust domain has; a sidecar accepts no other. */
export function controlIdOf(trustDomain: TrustDomain): SpiffeId {
  return spiffeIdOf(trustDomain, '/outrider/control')
}
