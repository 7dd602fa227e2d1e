import { createHash } from 'node:crypto'
import type { TrustBundle } from '../../identity/bundle.ts'
import { spiffeIdOf, trustDomainOf } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { X509BundlesResponse } from '../../wire/X509BundlesResponse.ts'
import type { X509SVIDResponse } from '../../wire/X509SVIDResponse.ts'

/**
 * Our SVID with its private key, the roots of its trust domain, and those of the trust domains that we are federated with. SPIFFE
 * Workload API standard, section 5.2.1. Throws `svid-unavailable` when the SVID has expired: none is better than that one.
 */
export function x509SvidResponse({ svid, bundles }: Credentials, nowMs: number): X509SVIDResponse {
  if (nowMs >= svid.notAfterMs) {
    const since = new Date(svid.notAfterMs).toISOString()
    throw new OutriderError('svid-unavailable', `the SVID has expired at ${since}, and no new one has come yet`, {
      source: 'dependency',
      retryable: true,
    })
  }
  const own = trustDomainOf(svid.id)
  return {
    svids: [
      {
        spiffeId: svid.id,
        x509Svid: Buffer.concat(svid.chainDer),
        x509SvidKey: svid.privateKey.export({ type: 'pkcs8', format: 'der' }),
        bundle: rootsOf(bundles.get(own)),
      },
    ],
    federatedBundles: byTrustDomain([...bundles.values()].filter(({ trustDomain }) => trustDomain !== own)),
  }
}

/** Section 5.2.2. */
export function x509BundlesResponse({ bundles }: Credentials): X509BundlesResponse {
  return { bundles: byTrustDomain([...bundles.values()]) }
}

/** Equal for credentials of which `x509SvidResponse` makes the same. */
export function svidKey(credentials: Credentials): string {
  const [leaf = Buffer.alloc(0)] = credentials.svid.chainDer
  return `${createHash('sha256').update(leaf).digest('hex')} ${rootsKey(credentials)}`
}

/** Equal for credentials of which `x509BundlesResponse` makes the same. */
export function rootsKey({ bundles }: Credentials): string {
  const hash = createHash('sha256')
  for (const { trustDomain, authorities } of bundles.values()) {
    hash.update(`${trustDomain} ${authorities.map(({ fingerprint }) => fingerprint).join(' ')}\n`)
  }
  return hash.digest('hex')
}

function byTrustDomain(bundles: readonly TrustBundle[]): Record<string, Buffer> {
  return Object.fromEntries(bundles.map((bundle) => [spiffeIdOf(bundle.trustDomain, ''), rootsOf(bundle)]))
}

function rootsOf(bundle: TrustBundle | undefined): Buffer {
  return Buffer.concat((bundle?.authorities ?? []).map(({ der }) => der))
}
