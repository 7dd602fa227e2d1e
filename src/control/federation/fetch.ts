import type { TLSSocket } from 'node:tls'
import type { TrustBundleSet } from '../../identity/bundle.ts'
import { verifyPeer } from '../../identity/verify.ts'
import type { Clock } from '../../lib/clock.ts'
import { readCaFile } from '../../lib/ca-file.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { presentedChain } from '../../lib/presented-chain.ts'
import { askOnce, WebFault, type WebFaultKind, type WebRequest } from '../../lib/web-request.ts'
import type { BundleEndpoint } from '../../policy/model.ts'

export const bundleEndpointErrorCodes = [
  'bundle-endpoint-unreachable',
  'bundle-endpoint-timeout',
  'bundle-endpoint-untrusted',
  'bundle-endpoint-ca-file',
  'bundle-endpoint-redirect',
  'bundle-endpoint-status',
  'bundle-endpoint-response',
  'bundle-endpoint-too-large',
] as const
export type BundleEndpointErrorCode = (typeof bundleEndpointErrorCodes)[number]

/** Largest body of an answer; that of a bundle document. */
const MAX_BODY_BYTES = 1024 * 1024
/** For the connection, the handshake and the whole answer together. */
const TIMEOUT_MS = 15_000

/** Where addresses are refused, nobody asks here which: an operator names the endpoint. */
const codeOf: Readonly<Record<Exclude<WebFaultKind, 'address'>, BundleEndpointErrorCode>> = {
  unreachable: 'bundle-endpoint-unreachable',
  timeout: 'bundle-endpoint-timeout',
  untrusted: 'bundle-endpoint-untrusted',
  redirect: 'bundle-endpoint-redirect',
  status: 'bundle-endpoint-status',
  response: 'bundle-endpoint-response',
  'too-large': 'bundle-endpoint-too-large',
}

/**
 * Asks a bundle endpoint once, and gives the body of its answer. Nothing is sent before the endpoint is known to be the one that
 * was meant: by the Web PKI (`https_web`), or by its SPIFFE ID and the bundle of that ID's trust domain (`https_spiffe`). Redirects
 * are not followed: they would make whoever answers the one who says where bundles come from. SPIFFE Federation standard, section
 * 5. Rejects with `OutriderError<BundleEndpointErrorCode>`, also when `signal` is aborted.
 */
export async function fetchBundle(
  endpoint: BundleEndpoint,
  bundles: TrustBundleSet,
  clock: Clock,
  signal: AbortSignal,
): Promise<Buffer> {
  const url = new URL(endpoint.url)
  const over = new AbortController()
  const stop = (): void => over.abort(new WebFault('unreachable', 'the poll was given up'))
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const { body } = await askOnce({
      url,
      method: 'GET',
      headers: { accept: 'application/json' },
      maxBodyBytes: MAX_BODY_BYTES,
      timeoutMs: TIMEOUT_MS,
      clock,
      signal: over.signal,
      ...trustOf(endpoint, url, bundles, clock),
    })
    return body
  } catch (fault) {
    if (!(fault instanceof WebFault) || fault.kind === 'address') throw fault
    throw refusal(codeOf[fault.kind], fault.message, fault.cause)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function trustOf(
  endpoint: BundleEndpoint,
  url: URL,
  bundles: TrustBundleSet,
  clock: Clock,
): Pick<WebRequest, 'tls' | 'identify'> {
  if (endpoint.profile !== 'https_spiffe')
    return endpoint.caFile === undefined ? {} : { tls: { ca: authoritiesIn(endpoint.caFile) } }
  const { spiffeId } = endpoint
  return {
    // Verified by `checkIdentity`: the roots of a bundle mean nothing without the trust domain that they are for.
    tls: { rejectUnauthorized: false, checkServerIdentity: () => undefined },
    identify: (socket) => checkIdentity(socket, url, spiffeId, bundles, clock.now()),
  }
}

/** Anew each time: who replaces the file restarts nothing. */
function authoritiesIn(path: string): string {
  try {
    return readCaFile(path)
  } catch (cause) {
    throw refusal('bundle-endpoint-ca-file', `${path} cannot be used: ${describeError(cause)}`)
  }
}

function checkIdentity(socket: TLSSocket, url: URL, spiffeId: string, bundles: TrustBundleSet, nowMs: number): void {
  const peer = verifyPeer(presentedChain(socket), bundles, nowMs)
  if (peer.kind === 'refused')
    throw refusal('bundle-endpoint-untrusted', `${url.host} is refused: ${peer.message} (${peer.code})`)
  if (peer.id !== spiffeId)
    throw refusal('bundle-endpoint-untrusted', `${url.host} is ${peer.id}, and should be ${spiffeId}`)
}

function refusal<Code extends BundleEndpointErrorCode>(
  code: Code,
  message: string,
  cause?: unknown,
): OutriderError<Code> {
  return new OutriderError(code, message, { source: 'dependency', retryable: true, cause })
}
