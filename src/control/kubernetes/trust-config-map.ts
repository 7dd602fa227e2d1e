import { toPem } from '../../identity/x509.ts'
import type { ClusterObject, ResourceType } from '../../kubernetes/objects.ts'
import type { CertificateAuthority } from '../ca/certificate-authority.ts'

/** Where sidecars find the roots for their first contact. */
export const TRUST_CONFIG_MAP = 'outrider-trust'
export const configMapType: ResourceType = { group: '', version: 'v1', plural: 'configmaps', namespaced: true }
/** Which trust bundle it is of: an older one never takes the place of a newer one. */
export const SEQUENCE_ANNOTATION = 'outrider.mesh/trust-sequence'
const KEY = 'bundle.pem'

/** What a ConfigMap is to say. */
export interface TrustContent {
  /** PEM. Of the roots that a control server may show itself under: those that are given up are not among them. */
  readonly roots: string
  readonly sequence: number
}

export function trustContentOf({ standings, bundle }: CertificateAuthority): TrustContent {
  const roots = standings.filter(({ state }) => state !== 'tainted').map(({ authority }) => authority.root.der)
  return { roots: toPem(roots), sequence: bundle.current.sequence }
}

/** All that we say of the ConfigMap of a namespace. */
export function trustConfigMap({ roots, sequence }: TrustContent, namespace: string): ClusterObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: TRUST_CONFIG_MAP,
      namespace,
      labels: { 'app.kubernetes.io/part-of': 'outrider' },
      annotations: { [SEQUENCE_ANNOTATION]: String(sequence) },
    },
    data: { [KEY]: roots },
  }
}

/** What one says, as far as it matters here. Anything else in it counts as nothing. */
export function readTrustConfigMap({ metadata, ...rest }: ClusterObject): TrustContent {
  const data: unknown = rest['data']
  const roots = typeof data === 'object' && data !== null ? Object.entries(data).find(([key]) => key === KEY)?.[1] : ''
  const sequence = Number(metadata.annotations?.[SEQUENCE_ANNOTATION] ?? Number.NaN)
  return { roots: typeof roots === 'string' ? roots : '', sequence: Number.isSafeInteger(sequence) ? sequence : 0 }
}
