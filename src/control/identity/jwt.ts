import type { KeyObject } from 'node:crypto'
import { signJwtSvid } from '../../identity/jwt-svid.ts'
import { type TrustDomain, trustDomainOf } from '../../identity/spiffe-id.ts'
import type { Clock } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import { RateLimiter } from '../../ratelimit/limiter.ts'
import { planLimit } from '../../ratelimit/plan.ts'
import type { IdentityHandlers } from '../../rpc/handler.ts'
import { timestampOf } from '../../lib/protobuf-time.ts'
import type { AuditLog } from '../../telemetry/audit.ts'
import type { Logger } from '../../telemetry/log.ts'
import { unregistered } from '../publish/path.ts'
import type { Catalogue } from '../publish/catalogue.ts'
import { checkNotRevoked } from '../publish/revoked.ts'

/** What JWT-SVIDs are signed with; the key is in the bundle under this ID. */
export interface JwtSigner {
  readonly keyId: string
  /** P-256. */
  readonly privateKey: KeyObject
}

export interface JwtIssuerParts {
  /** At this moment. */
  readonly signer: () => JwtSigner
  readonly trustDomain: TrustDomain
  readonly catalogue: Catalogue
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Logger
}

/** A bearer token cannot be called back: it is short. */
const TTL_MS = 5 * 60_000
/** Tokens of one identity, which many sidecars may share, per second and at once. */
const PER_SECOND = 100
const BURST = 1000

/** Makes JWT-SVIDs for the identity of the caller, and for no other. */
export function jwtIssuer({
  signer,
  trustDomain,
  catalogue,
  audit,
  clock,
  log,
}: JwtIssuerParts): IdentityHandlers['issueJwtSvid'] {
  const limiter = new RateLimiter(() => clock.monotonic())
  const plan = planLimit({
    scope: 'control',
    name: 'jwt-svid',
    key: 'identity',
    requests: PER_SECOND,
    perMs: 1000,
    burst: BURST,
  })
  return ({ audience }, { peer, source }) => {
    const { id } = peer
    try {
      const verdict = limiter.check([plan], id)
      if (verdict.limited) {
        throw new OutriderError('jwt-svid-rate', `more than ${PER_SECOND} JWT-SVIDs a second for ${id}: the limit`, {
          retryable: true,
        })
      }
      if (trustDomainOf(id) !== trustDomain) {
        throw new OutriderError('identity-not-allowed', `${id} is not of ${trustDomain}, for which this server speaks`)
      }
      if (catalogue.workloadOf(id) === undefined) throw unregistered(id)
      checkNotRevoked(catalogue, id, peer.serial)
      const key = signer()
      const { token, expiresAtMs } = signJwtSvid({ id, audience, ttlMs: TTL_MS, nowMs: clock.now(), ...key })
      audit.record({
        event: 'jwt-issued',
        address: source,
        spiffeId: id,
        audience,
        keyId: key.keyId,
        notAfter: new Date(expiresAtMs).toISOString(),
      })
      log.info({ spiffeId: id, audience, keyId: key.keyId, source }, 'JWT-SVID issued')
      return { spiffeId: id, token, expiresAt: timestampOf(expiresAtMs) }
    } catch (thrown) {
      const reason = thrown instanceof OutriderError ? thrown.code : 'internal-error'
      log.warn({ spiffeId: id, reason, source, error: thrown }, 'JWT-SVID refused')
      audit.recordRefusal({ event: 'jwt-refused', address: source, spiffeId: id, reason })
      throw thrown
    }
  }
}
