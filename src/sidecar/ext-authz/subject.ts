import { createHash } from 'node:crypto'
import { revokedBy, type Revocations } from '../../identity/revocation.ts'
import { validateLeaf } from '../../identity/leaf.ts'
import type { TrustBundleSet } from '../../identity/bundle.ts'
import { parseSpiffeId, type SpiffeId, trustDomainOf } from '../../identity/spiffe-id.ts'
import { fromPem, parseCertificate } from '../../identity/x509.ts'
import type { Headers } from '../../http/headers.ts'
import { isAuthority } from '../../http/syntax.ts'
import { isFieldName, isFieldValue } from '../../http/header-changes.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { DecisionRequest, Principal } from '../../policy/decision.ts'
import { normaliseAuthority } from '../../policy/host.ts'
import { normalisePath } from '../../policy/normalise.ts'
import type { AttributeContext__Output } from '../../wire/envoy/service/auth/v3/AttributeContext.ts'
import { type Refusal, refuse } from '../refusal.ts'

type Http = NonNullable<NonNullable<AttributeContext__Output['request']>['http']>

/** A request that somebody else would forward, as rules see it. */
export interface Subject {
  readonly kind: 'subject'
  readonly asked: DecisionRequest
  /** `host` or `host:port`; empty for a TCP connection, as the rest of it. */
  readonly authority: string
  /** Empty, or with its question mark. */
  readonly query: string
  /** IP address and port that the connection comes from. */
  readonly remote: string
  /** SHA-256 of the client's certificate, where it is told, hexadecimal. */
  readonly fingerprint: string | undefined
  /** Whose request it is can be believed, so that it may be told why it is refused. */
  readonly explain: boolean
}

export interface Beliefs {
  readonly bundles: TrustBundleSet
  readonly revocations: Revocations
}

const MAX_HEADERS = 1000
const MAX_CERTIFICATE_LENGTH = 65_536

/**
 * Reads what an Envoy tells of a request, by the same rules that a request on the wire is read by. Of a path only its normal form is
 * taken: what is decided on has to be what is forwarded, and the one who forwards is not we.
 */
export function subjectOf(
  { source, destination, request, tlsSession, contextExtensions }: AttributeContext__Output,
  beliefs: Beliefs,
  nowMs: number,
): Subject | Refusal {
  const caller = callerOf(source?.principal ?? '', source?.certificate ?? '', beliefs)
  if (caller.kind === 'refusal') return caller
  const { principal, fingerprint } = caller
  const given = contextExtensions['outrider.port']
  const port = given === undefined ? (destination?.address?.socketAddress?.portValue ?? 0) : Number(given)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    return refuse('check-malformed', { detail: `${JSON.stringify(given)} is no port` })
  }
  const { address = '', portValue = 0 } = source?.address?.socketAddress ?? {}
  const remote = `${address}:${portValue}`
  const common = {
    principal,
    port,
    address: address === '' ? undefined : address,
    sni: tlsSession === null || tlsSession.sni === '' ? undefined : tlsSession.sni,
    nowMs,
  }
  const explain = principal.kind === 'peer'
  const http = request?.http
  // Of a TCP connection nothing is told beyond it.
  if (http === null || http === undefined) {
    const asked = { ...common, method: undefined, path: undefined }
    return { kind: 'subject', asked, authority: '', query: '', remote, fingerprint, explain }
  }
  const normalised = normalisePath(http.path)
  if (!normalised.ok) return refuse(normalised.code)
  const { path, query } = normalised
  if (path + query !== http.path) return refuse('path-not-normal')
  const headers = headersOf(http)
  if (typeof headers === 'string') return refuse('check-malformed', { detail: headers })
  const authority = http.host.toLowerCase()
  if (!isAuthority(authority)) return refuse('check-malformed', { detail: 'the host is none' })
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(http.method)) {
    return refuse('check-malformed', { detail: 'the method is none' })
  }
  const { host } = normaliseAuthority(authority)
  const asked = { ...common, method: http.method, path, host, headers }
  return { kind: 'subject', asked, authority, query, remote, fingerprint, explain }
}

interface Named {
  readonly kind: 'named'
  readonly principal: Principal
  readonly fingerprint: string | undefined
}

const nobody: Named = { kind: 'named', principal: { kind: 'anonymous', why: 'no-principal' }, fingerprint: undefined }

/** Whom the asker has verified. Without a SPIFFE ID it is nobody in particular: names of other kinds mean nothing to rules. */
function callerOf(text: string, certificate: string, { bundles, revocations }: Beliefs): Named | Refusal {
  if (text === '' && certificate === '') return nobody
  try {
    const shown = certificate === '' ? undefined : leafOf(certificate)
    const id = text.startsWith('spiffe://') ? parseSpiffeId(text) : shown?.id
    if (id === undefined) return nobody
    if (shown !== undefined && shown.id !== id)
      return wrong(`the certificate is of ${shown.id}, the principal is ${id}`)
    if (!bundles.has(trustDomainOf(id))) return wrong(`there is no trust bundle for ${id}`)
    const by = revokedBy({ id, serial: shown?.serial ?? '' }, revocations)
    if (by !== undefined) return wrong(`${by} revokes ${id}`)
    return { kind: 'named', principal: { kind: 'peer', id }, fingerprint: shown?.fingerprint }
  } catch (thrown) {
    if (thrown instanceof OutriderError || thrown instanceof URIError) return wrong(describeError(thrown))
    throw thrown
  }
}

function wrong(detail: string): Refusal {
  return refuse('principal-refused', { detail })
}

/** The certificate that the client has shown to the asker, which has verified it: PEM, percent-encoded. */
function leafOf(encoded: string): { readonly id: SpiffeId; readonly serial: string; readonly fingerprint: string } {
  if (encoded.length > MAX_CERTIFICATE_LENGTH) throw new URIError('the certificate is too long')
  const [leaf] = fromPem(decodeURIComponent(encoded))
  if (leaf === undefined) throw new URIError('there is no certificate in it')
  const certificate = parseCertificate(leaf)
  const fingerprint = createHash('sha256').update(leaf).digest('hex')
  return { id: validateLeaf(certificate), serial: certificate.serial, fingerprint }
}

/** Flat, without pseudo-headers; or in words what is wrong. */
function headersOf({ headers, headerMap }: Http): Headers | string {
  const pairs =
    headerMap === null
      ? Object.entries(headers)
      : headerMap.headers.map(({ key, value, rawValue }): [string, string] => [
          key,
          rawValue.length > 0 ? rawValue.toString('latin1') : value,
        ])
  if (pairs.length > MAX_HEADERS) return `there are more than ${MAX_HEADERS} headers`
  const flat: string[] = []
  for (const [key, value] of pairs) {
    const name = key.toLowerCase()
    if (name.startsWith(':')) continue
    if (!isFieldName(name) || !isFieldValue(value.trim()))
      return `the header ${JSON.stringify(name.slice(0, 100))} is none`
    flat.push(name, value.trim())
  }
  return flat
}
