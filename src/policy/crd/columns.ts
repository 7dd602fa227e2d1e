import type { Kind } from '../model.ts'

/** One column of `kubectl get`. */
export type PrinterColumn = {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean' | 'date'
  readonly jsonPath: string
  /** 1: with `-o wide` only. */
  readonly priority?: 1
}

/** What tells resources of a kind from each other, beside their names. */
const ofKind: Readonly<Record<Kind, readonly PrinterColumn[]>> = {
  ApiKey: [{ name: 'Owner', type: 'string', jsonPath: '.spec.owner' }],
  AuthorizationPolicy: [
    { name: 'Action', type: 'string', jsonPath: '.spec.action' },
    { name: 'Dry run', type: 'boolean', jsonPath: '.spec.dryRun', priority: 1 },
    { name: 'Not after', type: 'string', jsonPath: '.spec.notAfter', priority: 1 },
  ],
  ExternalAuthorization: [{ name: 'Address', type: 'string', jsonPath: '.spec.address' }],
  MeshConfig: [{ name: 'Outbound', type: 'string', jsonPath: '.spec.outbound' }],
  RateLimit: [{ name: 'Workloads', type: 'string', jsonPath: '.spec.workloads' }],
  RequestAuthentication: [{ name: 'Workloads', type: 'string', jsonPath: '.spec.workloads' }],
  Revocation: [{ name: 'Why', type: 'string', jsonPath: '.spec.reason' }],
  Service: [{ name: 'Workloads', type: 'string', jsonPath: '.spec.workloads' }],
  TrustDomain: [{ name: 'Trust domain', type: 'string', jsonPath: '.spec.trustDomain' }],
  Workload: [{ name: 'SPIFFE ID', type: 'string', jsonPath: '.spec.spiffeId' }],
}

/** Has it been taken, and how many sidecars act by it? A column holds one value: `Applied` is out of `Sidecars`. */
const ofAll: readonly PrinterColumn[] = [
  { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
  { name: 'Applied', type: 'integer', jsonPath: '.status.applied' },
  { name: 'Sidecars', type: 'integer', jsonPath: '.status.sidecars' },
  { name: 'Refused', type: 'integer', jsonPath: '.status.refused', priority: 1 },
  { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].reason', priority: 1 },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
]

export function printerColumns(kind: Kind): readonly PrinterColumn[] {
  return [...ofKind[kind], ...ofAll]
}
