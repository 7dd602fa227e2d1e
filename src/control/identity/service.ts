import type { TrustBundleSet } from '../../identity/bundle.ts'
import { parseCsr } from '../../identity/csr.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { Clock } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Watch } from '../../lib/watch.ts'
import { RateLimiter } from '../../ratelimit/limiter.ts'
import { type LimitPlan, planLimit } from '../../ratelimit/plan.ts'
import type { IdentityHandlers } from '../../rpc/handler.ts'
import type { Caller } from '../../rpc/peer.ts'
import { wireBundles } from '../../rpc/bundles.ts'
import type { ServerStream } from '../../rpc/stream.ts'
import { timestampOf } from '../../rpc/time.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { IssuedSvid } from '../../wire/outrider/identity/v1/IssuedSvid.ts'
import type { TrustBundleSet as WireBundleSet } from '../../wire/outrider/identity/v1/TrustBundleSet.ts'
import type { CertificateAuthority } from '../ca/certificate-authority.ts'
import type { CertificateRequest, IssuedCertificate } from '../ca/certify.ts'
import type { ControlMetrics } from '../metrics.ts'
import { unregistered } from '../publish/path.ts'
import type { Catalogue } from '../publish/catalogue.ts'
import type { Store } from '../store/store.ts'
import { checkToken, refusedToken } from './attest-token.ts'

export interface IdentityServiceParts {
  readonly authority: CertificateAuthority
  readonly bundles: Watch<TrustBundleSet>
  readonly store: Store
  readonly catalogue: Catalogue
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ControlMetrics
  readonly options: IdentityServiceOptions
}

export interface IdentityServiceOptions {
  /** Lifetime of a certificate whose Workload says nothing else. */
  readonly svidTtlMs: number
  /** First certificates per source address: sustained per second, and at once. */
  readonly attestPerSecond: number
  readonly attestBurst: number
  readonly maxWatchers: number
}

/** Renewals of one identity, which many sidecars may share. Far above need; it bounds what one stolen key can cost. */
const RENEWALS_PER_SECOND = 100
const RENEWAL_BURST = 1000

/** Gives out identities: to who has a join token, and anew to who has one already. */
export function identityHandlers(parts: IdentityServiceParts): Omit<IdentityHandlers, 'issueJwtSvid'> {
  const { authority, bundles, store, catalogue, clock, log, metrics, options } = parts
  const limiter = new RateLimiter(() => clock.monotonic())
  const attestations = perKey('attestation', options.attestPerSecond, options.attestBurst)
  const renewals = perKey('renewal', RENEWALS_PER_SECOND, RENEWAL_BURST)
  let watchers = 0

  const sign = (request: CertificateRequest, nowMs: number): IssuedCertificate => {
    const workload = catalogue.workloadOf(request.id)
    if (workload === undefined) throw unregistered(request.id)
    return authority.issue(request, workload.spec.ttlMs ?? options.svidTtlMs, nowMs)
  }

  /** Every certificate and every refusal leaves a line and a count. */
  const accounted = (caller: Caller, how: 'attest' | 'renew', work: () => Issued): IssuedSvid => {
    try {
      const { id, certificate, token } = work()
      const { serial, notAfterMs } = certificate
      const until = new Date(notAfterMs).toISOString()
      log.info({ how, spiffeId: id, serial, until, tokenId: token, source: caller.source }, 'certificate issued')
      metrics.svidsIssued.inc()
      return {
        spiffeId: id,
        chain: [...certificate.chain],
        notBefore: timestampOf(certificate.notBeforeMs),
        notAfter: timestampOf(notAfterMs),
        bundles: wireBundles(bundles.current),
      }
    } catch (thrown) {
      const reason = thrown instanceof OutriderError ? thrown.code : 'internal-error'
      log.warn({ how, reason, source: caller.source, ...identityOf(caller), error: thrown }, 'certificate refused')
      metrics.attestationsRefused.with({ reason }).inc()
      throw thrown
    }
  }

  return {
    attest: (request, caller) =>
      accounted(caller, 'attest', () => {
        limit(limiter, attestations, caller.source)
        if (request.evidence !== 'joinToken' || request.joinToken === undefined) {
          throw new OutriderError('evidence-missing', 'the request has no evidence that this server knows')
        }
        const now = clock.now()
        const wanted = parseCsr(Buffer.from(request.csr))
        const token = checkToken(request.joinToken, wanted.id, store, now)
        const certificate = sign(wanted, now)
        // The last step, so that a request that fails for another reason does not cost the token.
        const { serial, notAfterMs } = certificate
        if (!store.redeemToken(token.id, { serial, spiffeId: wanted.id, notAfterMs }, now)) {
          throw refusedToken('was used already; each is for one sidecar')
        }
        return { id: wanted.id, certificate, token: token.id }
      }),

    renew: (request, caller) =>
      accounted(caller, 'renew', () => {
        limit(limiter, renewals, caller.peer.id)
        const now = clock.now()
        const wanted = parseCsr(Buffer.from(request.csr))
        if (wanted.id !== caller.peer.id) {
          throw new OutriderError(
            'identity-not-allowed',
            `${caller.peer.id} may renew its own identity, not ${wanted.id}`,
          )
        }
        const certificate = sign(wanted, now)
        const { serial, notAfterMs } = certificate
        store.recordIssued({ serial, spiffeId: wanted.id, notAfterMs })
        return { id: wanted.id, certificate }
      }),

    watchTrustBundles: (_request, stream, { peer }) => {
      if (watchers >= options.maxWatchers) {
        throw new OutriderError('too-many-watchers', `${options.maxWatchers} watch the trust bundles: the limit`)
      }
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

interface Issued {
  readonly id: SpiffeId
  readonly certificate: IssuedCertificate
  /** ID of the token that was used up. */
  readonly token?: string
}

/** Each message is the full set: one that waits for a slow reader is made worthless by the next. */
function follow(bundles: Watch<TrustBundleSet>, stream: ServerStream<WireBundleSet>): () => void {
  stream.send(wireBundles(bundles.current))
  return bundles.subscribe((set) => stream.send(wireBundles(set)))
}

function perKey(name: string, requests: number, burst: number): LimitPlan {
  return planLimit({ scope: 'control', name, key: 'identity', requests, perMs: 1000, burst })
}

function limit(limiter: RateLimiter, plan: LimitPlan, key: string): void {
  const verdict = limiter.check([plan], key)
  if (!verdict.limited) return
  throw new OutriderError(
    'attestation-rate',
    `too many requests: try again in ${verdict.retryAfterS} s (${plan.name})`,
    {
      retryable: true,
    },
  )
}

function identityOf({ peer }: Caller): { spiffeId?: string } {
  return peer.kind === 'verified' ? { spiffeId: peer.id } : {}
}
