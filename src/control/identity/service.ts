import type { TrustBundleSet } from '../../identity/bundle.ts'
import { parseCsr } from '../../identity/csr.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { Clock } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Workload } from '../../policy/model.ts'
import { wireBundles } from '../../rpc/bundles.ts'
import type { IdentityHandlers } from '../../rpc/handler.ts'
import type { Caller, RenewingCaller } from '../../rpc/peer.ts'
import type { ServerStream } from '../../rpc/stream.ts'
import { timestampOf } from '../../lib/protobuf-time.ts'
import type { AuditLog } from '../../telemetry/audit.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { AttestRequest__Output } from '../../wire/outrider/identity/v1/AttestRequest.ts'
import type { IssuedSvid } from '../../wire/outrider/identity/v1/IssuedSvid.ts'
import type { TrustBundleSet as WireBundleSet } from '../../wire/outrider/identity/v1/TrustBundleSet.ts'
import type { CertificateAuthority } from '../ca/certificate-authority.ts'
import type { CertificateRequest, IssuedCertificate } from '../ca/certify.ts'
import type { ControlMetrics } from '../metrics.ts'
import { unregistered } from '../publish/path.ts'
import type { Catalogue } from '../publish/catalogue.ts'
import type { Store } from '../store/store.ts'
import { checkNotRevoked } from '../publish/revoked.ts'
import { type Attestation, type Attestors, attest, type Evidence } from './attest/attestor.ts'
import { type IssueLimits, IssueRates } from './limits.ts'

export interface IdentityServiceParts {
  readonly authority: CertificateAuthority
  readonly bundles: Watch<TrustBundleSet>
  readonly store: Store
  readonly catalogue: Catalogue
  readonly attestors: Attestors
  /** Throws while it is not known yet who may have an identity. */
  readonly checkReady?: (() => void) | undefined
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ControlMetrics
  readonly options: IdentityServiceOptions
}

export interface IdentityServiceOptions extends IssueLimits {
  /** Lifetime of a certificate whose Workload says nothing else. */
  readonly svidTtlMs: number
  /** How long after its end an SVID may still be renewed; 0: not at all. */
  readonly expiredRenewalMs: number
  readonly maxWatchers: number
}

type How = 'attest' | 'renew' | 'renew-expired'

/** Gives out identities: to who proves a right to one, and anew to who has one already. */
export function identityHandlers(parts: IdentityServiceParts): Omit<IdentityHandlers, 'issueJwtSvid'> {
  const { bundles, store, catalogue, attestors, audit, clock, log, metrics, options } = parts
  const rates = new IssueRates(options, clock)
  let watchers = 0

  /**
   * Signs and records. Synchronous from the last look at the evidence on, so that nothing changes in between. The line of the
   * audit log comes before the certificate is used up for good: what cannot be recorded is not given out.
   */
  const issue = (
    how: How,
    request: CertificateRequest,
    { address, attestation, shown }: Asked,
    nowMs: number,
  ): IssuedSvid => {
    const workload = catalogue.workloadOf(request.id)
    if (workload === undefined) throw unregistered(request.id)
    if (attestation !== undefined) checkSelectors(workload, attestation)
    checkNotRevoked(catalogue, request.id, shown)
    rates.signing(how === 'attest')
    const certificate = sign(parts, request, workload, nowMs)
    const { serial, notAfterMs } = certificate
    const issued = { serial, spiffeId: request.id, notAfterMs }
    const { tokenId, selectors } = attestation ?? {}
    const { dnsNames } = workload.spec
    const until = new Date(notAfterMs).toISOString()
    audit.record({
      event: 'certificate-issued',
      how,
      source: attestation?.source ?? request.id,
      address,
      spiffeId: request.id,
      serial,
      notAfter: until,
      ...(selectors === undefined || selectors.size === 0 ? {} : { selectors: [...selectors] }),
      ...(dnsNames.length === 0 ? {} : { dnsNames }),
      ...(tokenId === undefined ? {} : { tokenId }),
    })
    if (attestation?.record === undefined) store.recordIssued(issued)
    else attestation.record(issued, nowMs)
    log.info({ how, spiffeId: request.id, serial, until, tokenId, source: address }, 'certificate issued')
    metrics.svidsIssued.inc()
    return answer(certificate, request.id, bundles.current, nowMs)
  }

  const recordRefusal = (
    how: How,
    { address, attestation }: Asked,
    spiffeId: SpiffeId | undefined,
    thrown: unknown,
    reason: string,
  ): void => {
    audit.recordRefusal({
      event: 'certificate-refused',
      how,
      ...(attestation === undefined ? {} : { source: attestation.source, selectors: [...attestation.selectors] }),
      address,
      ...(spiffeId === undefined ? {} : { spiffeId }),
      reason,
      ...(thrown instanceof OutriderError ? { message: thrown.message } : {}),
    })
  }

  /** Every refusal leaves a line, here and in the audit log, and a count. */
  const accounted = async (
    caller: Caller,
    how: How,
    work: (asked: Asked) => IssuedSvid | Promise<IssuedSvid>,
  ): Promise<IssuedSvid> => {
    const asked: Asked = { address: caller.source }
    parts.checkReady?.()
    try {
      return await work(asked)
    } catch (thrown) {
      const reason = thrown instanceof OutriderError ? thrown.code : 'internal-error'
      const spiffeId = asked.wanted ?? shownBy(caller)
      log.warn({ how, reason, source: caller.source, spiffeId, error: thrown }, 'certificate refused')
      metrics.attestationsRefused.with({ reason }).inc()
      recordRefusal(how, asked, spiffeId, thrown, reason)
      throw thrown
    }
  }

  return {
    attest: (request, caller) =>
      accounted(caller, 'attest', (asked) => {
        rates.attestation(caller.source)
        const evidence = evidenceOf(request, caller)
        const csr = Buffer.from(request.csr)
        const wanted = parseCsr(csr)
        asked.wanted = wanted.id
        const nowMs = clock.now()
        const finish = (attestation: Attestation): IssuedSvid => {
          asked.attestation = attestation
          rates.attested(attestation.source)
          return issue('attest', wanted, asked, clock.now())
        }
        const attested = attest(attestors, evidence, { csr, wanted: wanted.id, nowMs })
        // Without a turn in between where there need not be one: two requests must not both find a token unused.
        return attested instanceof Promise ? attested.then(finish) : finish(attested)
      }),

    renew: (request, caller) => {
      const { peer } = caller
      const id = peer.kind === 'verified' ? peer.id : peer.expired.id
      return accounted(caller, peer.kind === 'verified' ? 'renew' : 'renew-expired', (asked) => {
        rates.renewal(id)
        const wanted = parseCsr(Buffer.from(request.csr))
        asked.wanted = wanted.id
        asked.shown = peer.kind === 'verified' ? peer.serial : peer.expired.serial
        const nowMs = clock.now()
        if (peer.kind === 'refused') checkExpired(peer.expired, parts, nowMs)
        if (wanted.id !== id) {
          throw new OutriderError('identity-not-allowed', `${id} may renew its own identity, not ${wanted.id}`)
        }
        return issue(peer.kind === 'verified' ? 'renew' : 'renew-expired', wanted, asked, nowMs)
      })
    },

    watchTrustBundles: (_request, stream, { peer }) => {
      if (watchers >= options.maxWatchers) {
        throw new OutriderError('too-many-watchers', `${options.maxWatchers} watch the trust bundles: the limit`)
      }
      checkNotRevoked(catalogue, peer.id, peer.serial)
      watchers += 1
      const stop = follow(bundles, stream)
      const expiry = clock.after(peer.notAfterMs - clock.now(), () => {
        stream.end(new OutriderError('svid-expired', 'the SVID of this stream has expired: connect with the new one'))
      })
      stream.onClose(() => {
        watchers -= 1
        stop()
        expiry.cancel()
      })
    },
  }
}

/** A request, as far as it is known. */
interface Asked {
  readonly address: string
  wanted?: SpiffeId
  attestation?: Attestation
  /** Serial number of the SVID that is renewed, hexadecimal. */
  shown?: string
}

function sign(
  { authority, options }: IdentityServiceParts,
  request: CertificateRequest,
  { spec: { ttlMs, dnsNames } }: Workload,
  nowMs: number,
): IssuedCertificate {
  return authority.issue({ ...request, dnsNames }, ttlMs ?? options.svidTtlMs, nowMs)
}

function answer(
  { chain, notBeforeMs, notAfterMs }: IssuedCertificate,
  spiffeId: SpiffeId,
  bundles: TrustBundleSet,
  nowMs: number,
): IssuedSvid {
  return {
    spiffeId,
    chain: [...chain],
    notBefore: timestampOf(notBeforeMs),
    notAfter: timestampOf(notAfterMs),
    bundles: wireBundles(bundles),
    serverTime: timestampOf(nowMs),
  }
}

function evidenceOf(request: AttestRequest__Output, { unix }: Caller): Evidence {
  const { joinToken, kubernetesToken, x509Proof } = request
  if (request.evidence === 'joinToken' && joinToken !== undefined) return { kind: 'join-token', secret: joinToken }
  if (request.evidence === 'kubernetesToken' && kubernetesToken !== undefined)
    return { kind: 'kubernetes', token: kubernetesToken }
  if (request.evidence === 'x509Proof' && x509Proof) return { kind: 'x509', ...x509Proof }
  if (request.evidence !== 'unixPeer')
    throw new OutriderError('evidence-missing', 'the request has no evidence that this server knows')
  if (unix === undefined)
    throw new OutriderError('evidence-missing', 'who a process is, is asked on the attestation socket alone')
  return { kind: 'unix', peer: unix }
}

/** Throws `identity-not-allowed` unless all that the Workload asks for was proved. */
function checkSelectors(
  { spec: { spiffeId, selectors } }: Workload,
  { granted, selectors: proved }: Attestation,
): void {
  if (granted === spiffeId) return
  if (selectors.length === 0)
    throw new OutriderError('identity-not-allowed', `${spiffeId} has no selectors: it is given for a join token alone`)
  const missing = selectors.filter((selector) => !proved.has(selector)).length
  if (missing === 0) return
  throw new OutriderError(
    'identity-not-allowed',
    `${missing} of the ${selectors.length} selectors of ${spiffeId} do not hold; proved are ${[...proved].join(', ')}`,
  )
}

/** Throws `svid-expired` unless this SVID was issued here, to this identity, and has not expired too long ago. */
function checkExpired(
  { id, serial, notAfterMs }: (RenewingCaller['peer'] & { kind: 'refused' })['expired'],
  { store, options: { expiredRenewalMs } }: IdentityServiceParts,
  nowMs: number,
): void {
  const agoS = Math.ceil((nowMs - notAfterMs) / 1000)
  if (expiredRenewalMs === 0) throw expired(`expired ${agoS} s ago`)
  if (nowMs - notAfterMs > expiredRenewalMs)
    throw expired(`expired ${agoS} s ago, and may be renewed for ${expiredRenewalMs / 1000} s (expiredRenewalMs)`)
  if (store.findIssued(serial)?.spiffeId !== id) throw expired('is not on record here')
}

function expired(why: string): OutriderError<'svid-expired'> {
  return new OutriderError('svid-expired', `the SVID ${why}: attest anew`)
}

/** Each message is the full set: one that waits for a slow reader is made worthless by the next. */
function follow(bundles: Watch<TrustBundleSet>, stream: ServerStream<WireBundleSet>): () => void {
  stream.send(wireBundles(bundles.current))
  return bundles.subscribe((set) => stream.send(wireBundles(set)))
}

function shownBy({ peer }: Caller): SpiffeId | undefined {
  return peer.kind === 'verified' ? peer.id : undefined
}
