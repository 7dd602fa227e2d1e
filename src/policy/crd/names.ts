import { apiVersion, type Kind } from '../model.ts'

/** Of every kind: `outrider.mesh` and `v1`. */
const [group = '', version = ''] = apiVersion.split('/')
export const apiGroup: string = group
export const apiVersionName: string = version

/** What `kubectl get` takes for all kinds at once. */
export const category = 'outrider'

export interface KindNames {
  /** What `kubectl` takes in place of the plural. */
  readonly short: string
  /** One line for people, as in docs/reference/resources.md. */
  readonly says: string
}

export const kindNames: Readonly<Record<Kind, KindNames>> = {
  ApiKey: { short: 'oak', says: "these secrets are this owner's" },
  AuthorizationPolicy: { short: 'oap', says: 'these callers may, or may not, do this' },
  ExternalAuthorization: { short: 'oea', says: 'this server is asked as well' },
  MeshConfig: { short: 'omc', says: 'this holds for the whole mesh' },
  RateLimit: { short: 'orl', says: 'this often, and no more' },
  RequestAuthentication: { short: 'ora', says: 'tokens and keys of these issuers are accepted here' },
  Revocation: { short: 'orv', says: 'these SVIDs are believed no more' },
  Service: { short: 'osvc', says: 'this name is served by these workloads, on these ports' },
  TrustDomain: { short: 'otd', says: 'identities of this other mesh are believed' },
  Workload: { short: 'owl', says: 'this workload exists, and this is its identity' },
}

/** As in the paths of the API server: `authorizationpolicies`. */
export function pluralOf(kind: Kind): string {
  const name = kind.toLowerCase()
  return /[^aeiou]y$/.test(name) ? `${name.slice(0, -1)}ies` : `${name}s`
}
