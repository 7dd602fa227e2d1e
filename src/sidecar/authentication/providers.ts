import { lookup as systemLookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { parseJsonObject } from '../../identity/json.ts'
import { readJwkSet, type VerificationKeys } from '../../identity/jwk-set.ts'
import type { Clock } from '../../lib/clock.ts'
import { readCaFile } from '../../lib/ca-file.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { type AddressAllowance, whyNotAllowed } from '../../lib/special-address.ts'
import { askOnce, type WebAnswer, WebFault, type WebFaultKind, type WebRequest } from '../../lib/web-request.ts'

export const tokenProviderErrorCodes = [
  'token-provider-unreachable',
  'token-provider-timeout',
  'token-provider-untrusted',
  'token-provider-redirect',
  'token-provider-status',
  'token-provider-response',
  'token-provider-too-large',
  'token-provider-address',
  'token-provider-ca-file',
] as const
export type TokenProviderErrorCode = (typeof tokenProviderErrorCodes)[number]

export interface ProvidersOptions {
  /** PEM; the Web PKI when there is none. Read anew each time: who replaces the file restarts nothing. */
  readonly caFile: string | undefined
  readonly allowance: AddressAllowance
  readonly clock: Clock
  /** All addresses of a name; those of the system when not given. */
  readonly lookup?: (host: string) => Promise<readonly string[]>
}

const codeOf: Readonly<Record<WebFaultKind, TokenProviderErrorCode>> = {
  unreachable: 'token-provider-unreachable',
  timeout: 'token-provider-timeout',
  untrusted: 'token-provider-untrusted',
  redirect: 'token-provider-redirect',
  status: 'token-provider-status',
  response: 'token-provider-response',
  'too-large': 'token-provider-too-large',
  address: 'token-provider-address',
}

const MAX_KEY_SET_BYTES = 256 * 1024
const KEY_SET_TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 64 * 1024
/** Of a JWK Set (RFC 7517, 8.5.1), and what many servers say instead. */
const keySetTypes: readonly string[] = ['application/jwk-set+json', 'application/json']
const answerTypes: readonly string[] = ['application/json']

/**
 * What is asked of identity providers. Their addresses are written by whoever may write policies, and must not lead into the
 * network of the sidecar: each one is looked at after it was resolved, and the very one that was looked at is connected to.
 */
export class Providers {
  readonly #options: ProvidersOptions

  constructor(options: ProvidersOptions) {
    this.#options = options
  }

  /** The keys that are published at an address. Rejects with an OutriderError. */
  async fetchKeys(uri: string, signal: AbortSignal): Promise<VerificationKeys> {
    const { body, contentType } = await this.#ask(uri, {
      method: 'GET',
      headers: { accept: keySetTypes.join(', ') },
      maxBodyBytes: MAX_KEY_SET_BYTES,
      timeoutMs: KEY_SET_TIMEOUT_MS,
      signal,
    })
    requireType(uri, contentType, keySetTypes)
    return understood(uri, () => readJwkSet(parseJsonObject(body)))
  }

  /** The answer about a token, of RFC 7662, 2.2. Rejects with an OutriderError. */
  async introspect(
    { endpoint, authorization, token }: { endpoint: string; authorization: string; token: string },
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const { body, contentType } = await this.#ask(endpoint, {
      method: 'POST',
      headers: { accept: 'application/json', authorization, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
      maxBodyBytes: MAX_ANSWER_BYTES,
      timeoutMs,
      signal,
    })
    requireType(endpoint, contentType, answerTypes)
    return body
  }

  async #ask(address: string, request: Omit<WebRequest, 'url' | 'clock' | 'tls' | 'addresses'>): Promise<WebAnswer> {
    const { caFile, clock } = this.#options
    const url = new URL(address)
    try {
      return await askOnce({
        ...request,
        url,
        clock,
        ...(caFile === undefined ? {} : { tls: { ca: authoritiesIn(caFile) } }),
        addresses: (host) => this.#addresses(host),
      })
    } catch (fault) {
      if (!(fault instanceof WebFault)) throw fault
      throw failure(codeOf[fault.kind], fault.message, fault.cause)
    }
  }

  /** One that leads to a special address among others is refused as well: names that do are made for that. */
  async #addresses(host: string): Promise<readonly string[]> {
    const { lookup = resolve, allowance } = this.#options
    const addresses = isIP(host) === 0 ? await lookup(host) : [host]
    for (const address of addresses) {
      const what = whyNotAllowed(address, host, allowance)
      if (what !== undefined)
        throw new WebFault(
          'address',
          `${host} leads to ${address} (${what}), where nothing is asked unless tokenProviderAllow says so`,
        )
    }
    return addresses
  }
}

async function resolve(host: string): Promise<readonly string[]> {
  return (await systemLookup(host, { all: true })).map(({ address }) => address)
}

function authoritiesIn(path: string): string {
  try {
    return readCaFile(path)
  } catch (cause) {
    throw failure('token-provider-ca-file', `${path} cannot be used: ${describeError(cause)}`)
  }
}

function requireType(address: string, contentType: string, allowed: readonly string[]): void {
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase()
  if (!allowed.includes(type))
    throw failure(
      'token-provider-response',
      `${new URL(address).host} answers with ${JSON.stringify(type.slice(0, 100))}, and not with ${allowed.join(' or ')}`,
    )
}

function understood<T>(address: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof OutriderError)) throw cause
    throw failure('token-provider-response', `the answer of ${new URL(address).host}: ${cause.message}`, cause)
  }
}

function failure(
  code: TokenProviderErrorCode,
  message: string,
  cause?: unknown,
): OutriderError<TokenProviderErrorCode> {
  return new OutriderError(code, message, { source: 'dependency', retryable: true, cause })
}
