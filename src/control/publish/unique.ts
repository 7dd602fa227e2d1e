import { pathOf, type SpiffeId, trustDomainOf, type TrustDomain as TrustDomainName } from '../../identity/spiffe-id.ts'
import { nameOf, type TrustDomain } from '../../policy/model.ts'
import type { Catalogue } from './catalogue.ts'
import { type DocumentViolation, label, type Proposed } from './proposal.ts'

/** Every sidecar holds the bundles of all. */
const MAX_TRUST_DOMAINS = 64

/** One identity, one workload; and none that this control server cannot or must not issue. */
export function* identities(
  proposed: readonly Proposed[],
  catalogue: Catalogue,
  trustDomain: TrustDomainName,
): Generator<DocumentViolation> {
  for (const { document, resource } of proposed) {
    if (resource.kind === 'Revocation') {
      const index = resource.spec.spiffeIds.findIndex(isReserved)
      const message = 'without the identities under /outrider/ the mesh cannot be operated'
      if (index !== -1) yield { document, field: `spec.spiffeIds[${index}]`, code: 'reserved-spiffe-id', message }
    }
    if (resource.kind === 'MeshConfig') {
      const other = [...catalogue.meshConfigs()].find((one) => one !== resource)
      const message = 'holds for the whole mesh, and another one is there already'
      if (other !== undefined)
        yield { document, field: 'kind', code: 'duplicate-mesh-config', message: `${message}: ${label(nameOf(other))}` }
    }
    if (resource.kind === 'TrustDomain') yield* federation(document, resource, catalogue, trustDomain)
    if (resource.kind !== 'Workload') continue
    const { spiffeId } = resource.spec
    const field = 'spec.spiffeId'
    if (trustDomainOf(spiffeId) !== trustDomain) {
      const message = `the trust domain here is ${trustDomain}, not ${trustDomainOf(spiffeId)}`
      yield { document, field, code: 'foreign-trust-domain', message }
    } else if (pathOf(spiffeId) === '' || isReserved(spiffeId)) {
      const message = 'a workload needs a path, and paths under /outrider/ are for the mesh itself'
      yield { document, field, code: 'reserved-spiffe-id', message }
    }
    const owner = catalogue.identityConflict(resource)
    if (owner !== undefined) {
      const message = `${label(nameOf(owner))} has this identity already`
      yield { document, field, code: 'duplicate-spiffe-id', message }
    }
  }
}

/** One resource for a foreign trust domain; its bundle is for nobody else's identities, ours least of all. */
function* federation(
  document: number,
  resource: TrustDomain,
  catalogue: Catalogue,
  own: TrustDomainName,
): Generator<DocumentViolation> {
  const { trustDomain } = resource.spec
  const field = 'spec.trustDomain'
  const all = [...catalogue.trustDomains()]
  if (trustDomain === own) {
    const message = `${own} is the trust domain here: its bundle comes from the certificate authority alone`
    yield { document, field, code: 'own-trust-domain', message }
  }
  const other = all.find((one) => one !== resource && one.spec.trustDomain === trustDomain)
  if (other !== undefined) {
    const message = `${label(nameOf(other))} is for this trust domain already`
    yield { document, field, code: 'duplicate-trust-domain', message }
  }
  if (all.length > MAX_TRUST_DOMAINS) {
    const message = `there would be ${all.length} foreign trust domains, at most ${MAX_TRUST_DOMAINS} are believed`
    yield { document, field, code: 'too-many-trust-domains', message }
  }
}

function isReserved(id: SpiffeId): boolean {
  return `${pathOf(id)}/`.startsWith('/outrider/')
}
