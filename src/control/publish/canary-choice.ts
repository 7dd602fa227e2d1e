import { createHash } from 'node:crypto'
import { OutriderError } from '../../lib/errors.ts'
import { unreachable } from '../../lib/unreachable.ts'
import { type GoverningResource, nameOf, type Resource, resourceKey, type Workload } from '../../policy/model.ts'
import type { Admitted } from './admit.ts'
import type { Catalogue } from './catalogue.ts'
import type { Sessions } from './sessions.ts'

/** A connected sidecar. */
export interface Candidate {
  readonly spiffeId: string
  readonly sidecarId: string
}

export interface Choice {
  readonly canaries: readonly Candidate[]
  /** Of the same workloads, to be compared with. */
  readonly rest: readonly Candidate[]
  /** SPIFFE IDs of workloads with fewer than two candidates: they wait for the second step. */
  readonly without: readonly string[]
}

/** Sidecars without the change that are compared with one workload's canaries; more would tell no more. */
const MAX_REST = 100

/**
 * Of each workload `percent` of its connected sidecars, at least one and never all. Which ones depends on their names and the
 * revision alone: not always the same have to go first, and who asks twice gets the same answer.
 */
export function chooseCanaries(
  workloads: ReadonlyMap<string, readonly Candidate[]>,
  percent: number,
  revision: number,
): Choice {
  const canaries: Candidate[] = []
  const rest: Candidate[] = []
  const without: string[] = []
  for (const [spiffeId, candidates] of workloads) {
    if (candidates.length < 2) {
      without.push(spiffeId)
      continue
    }
    const lots = candidates
      .map((candidate) => ({ candidate, lot: lotOf(candidate, revision) }))
      .toSorted((a, b) => (a.lot < b.lot ? -1 : 1))
      .map(({ candidate }) => candidate)
    const count = Math.min(candidates.length - 1, Math.max(1, Math.round((candidates.length * percent) / 100)))
    canaries.push(...lots.slice(0, count))
    rest.push(...lots.slice(count, count + MAX_REST))
  }
  return { canaries, rest, without }
}

function lotOf({ spiffeId, sidecarId }: Candidate, revision: number): string {
  return createHash('sha256').update(`${spiffeId} ${sidecarId} ${revision}`).digest('hex')
}

/** Resources whose change is felt at the sidecars of the workloads they govern and nowhere else, and that nobody has to have at once. */
type Staged = Exclude<GoverningResource, { readonly kind: 'ApiKey' }>

function canBeStaged(resource: Resource): resource is Staged {
  switch (resource.kind) {
    case 'AuthorizationPolicy':
    case 'ExternalAuthorization':
    case 'RateLimit':
    case 'RequestAuthentication':
      return true
    // A key that is revoked must not work at some sidecars for a minute more.
    case 'ApiKey':
    case 'Revocation':
    case 'Service':
    case 'TrustDomain':
    case 'Workload':
      return false
    default:
      return unreachable(resource)
  }
}

function selects({ metadata, spec }: Staged, workload: Workload): boolean {
  if (metadata.namespace !== workload.metadata.namespace) return false
  return spec.workloads.length === 0 || spec.workloads.includes(workload.metadata.name)
}

/** The connected sidecars of each workload that a change governs, before or after it. Throws `canary-kind`. */
export function concerned(
  { changes }: Admitted,
  catalogue: Catalogue,
  sessions: Sessions,
): ReadonlyMap<string, readonly Candidate[]> {
  const governing = changes.flatMap((change) => {
    const after: readonly Resource[] = change.kind === 'put' ? [change.resource] : []
    const before = catalogue.get(change.kind === 'put' ? nameOf(change.resource) : change.name) ?? []
    return [...after, before].flat().map((resource) => {
      if (canBeStaged(resource)) return resource
      throw new OutriderError(
        'canary-kind',
        `${resourceKey(nameOf(resource))} is for all sidecars at once: apply it without --canary`,
      )
    })
  })
  const workloads = new Map<string, Candidate[]>()
  for (const session of sessions.all()) {
    const { id: spiffeId } = session.peer
    const workload = catalogue.workloadOf(spiffeId)
    if (workload === undefined || session.state === 'draining') continue
    if (!governing.some((resource) => selects(resource, workload))) continue
    const candidates = workloads.get(spiffeId) ?? []
    candidates.push({ spiffeId, sidecarId: session.sidecarId })
    workloads.set(spiffeId, candidates)
  }
  return workloads
}
