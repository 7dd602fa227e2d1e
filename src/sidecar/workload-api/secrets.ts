import { createHash } from 'node:crypto'
import type { TrustBundle } from '../../identity/bundle.ts'
import { spiffeIdOf, trustDomainOf } from '../../identity/spiffe-id.ts'
import { toPem } from '../../identity/x509.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import { type Packed, packSecret, packTrustDomains } from '../../rpc/secrets.ts'

/** One resource of the secret discovery service. */
export interface NamedSecret {
  readonly name: string
  /** Another one when, and only when, the content is another. */
  readonly version: string
  readonly resource: Packed
}

/** Our SVID and its private key, whatever its SPIFFE ID. */
const OWN_SVID = 'default'
/** Roots of our trust domain. */
const OWN_ROOTS = 'ROOTCA'
/** Roots of every trust domain that we know, each for its own. */
const ALL_ROOTS = 'ALL'

/** The secret of this name: one of the names above, our SPIFFE ID, or the SPIFFE ID of a trust domain. */
export function secretOf(name: string, { svid, bundles }: Credentials): NamedSecret | undefined {
  const own = trustDomainOf(svid.id)
  if (name === OWN_SVID || name === svid.id) return svidSecret(name, svid)
  if (name === ALL_ROOTS) return rootsSecret(name, [...bundles.values()])
  const bundle = [...bundles.values()].find(({ trustDomain }) =>
    name === OWN_ROOTS ? trustDomain === own : name === spiffeIdOf(trustDomain, ''),
  )
  return bundle === undefined ? undefined : rootsSecret(name, [bundle])
}

/** What a client gets that names nothing. */
export function everyName({ svid, bundles }: Credentials): string[] {
  return [svid.id, ...[...bundles.keys()].map((trustDomain) => spiffeIdOf(trustDomain, ''))]
}

function svidSecret(name: string, { chainPem, privateKey }: Credentials['svid']): NamedSecret {
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  return {
    name,
    version: versionOf(chainPem),
    resource: packSecret({
      name,
      tlsCertificate: {
        certificateChain: { inlineBytes: Buffer.from(chainPem) },
        privateKey: { inlineBytes: Buffer.from(key) },
      },
    }),
  }
}

/**
 * Always for Envoy's SPIFFE validator, which holds a peer to the roots of its own trust domain. Plain roots would let an authority
 * of one trust domain speak for another.
 */
function rootsSecret(name: string, bundles: readonly TrustBundle[]): NamedSecret {
  // A trust domain without roots trusts nobody, and Envoy refuses to be told so.
  const roots = new Map(
    bundles
      .filter(({ authorities }) => authorities.length > 0)
      .map(({ trustDomain, authorities }) => [trustDomain, toPem(authorities.map(({ der }) => der))] as const),
  )
  return {
    name,
    version: versionOf(...[...roots].flat()),
    resource: packSecret({
      name,
      validationContext: {
        customValidatorConfig: { name: 'envoy.tls.cert_validator.spiffe', typedConfig: packTrustDomains(roots) },
      },
    }),
  }
}

function versionOf(...texts: readonly string[]): string {
  const hash = createHash('sha256')
  for (const text of texts) hash.update(text)
  return hash.digest('hex').slice(0, 16)
}
