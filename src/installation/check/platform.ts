import { fieldsOf, textOf } from '../../injector/pod.ts'
import { ApiError } from '../../kubernetes/failure.ts'
import { type ClusterObject, isRecord } from '../../kubernetes/objects.ts'
import { isTooOld, serverVersion } from '../install.ts'
import { nameOf, typeOf } from '../object-types.ts'
import { canonical } from '../plan.ts'
import { conditionOf } from '../wait.ts'
import { type Finding, unlessEmpty } from './finding.ts'
import type { Look } from './look.ts'

const INSTALL = 'outrider install'
/** Verification of certificates and tokens tolerates no more than this. */
const MAX_SKEW_MS = 20_000
/** A time of the API server has whole seconds. */
const WARN_SKEW_MS = 5_000

export async function apiServer({ client }: Look): Promise<readonly Finding[]> {
  const [major, minor, text] = await serverVersion(client)
  const old = isTooOld(major, minor)
  const detail = old ? `is ${text}; native sidecars need Kubernetes 1.29 or later` : `is ${text}`
  return [{ check: 'API server', result: old ? 'failed' : 'ok', detail }]
}

/** The clock of the machine that asks, against that of the API server, which dates an object that is not stored. */
export async function clocks({ client, clock }: Look): Promise<readonly Finding[]> {
  const check = 'clock'
  const before = clock.now()
  const made = await client.raw({
    method: 'POST',
    path: '/api/v1/namespaces/default/configmaps?dryRun=All',
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'outrider-check-' } },
  })
  const middle = (before + clock.now()) / 2
  const stamp = Date.parse(textOf(fieldsOf(fieldsOf(made)['metadata'])['creationTimestamp']) ?? '')
  if (Number.isNaN(stamp)) return [{ check, result: 'warning', detail: 'the API server does not tell its time' }]
  // Half of the second that it leaves out.
  const skewMs = middle - (stamp + 500)
  const seconds = `${Math.round(Math.abs(skewMs) / 1000)} s`
  if (Math.abs(skewMs) <= WARN_SKEW_MS)
    return [{ check, result: 'ok', detail: `this machine and the API server are within ${WARN_SKEW_MS / 1000} s` }]
  const detail = `this machine is ${seconds} ${skewMs > 0 ? 'ahead of' : 'behind'} the API server; certificates and tokens need clocks that agree: set up time synchronisation on all nodes`
  return [{ check, result: Math.abs(skewMs) > MAX_SKEW_MS ? 'failed' : 'warning', detail }]
}

/** The definitions of our kinds: all there, and those of this version. */
export async function definitions({ client, manifests }: Look): Promise<readonly Finding[]> {
  const wanted = manifests.filter(({ kind }) => kind === 'CustomResourceDefinition')
  const [missing, other, pending]: [string[], string[], string[]] = [[], [], []]
  for (const object of wanted) {
    const { name } = object.metadata
    const present = await client.get(typeOf(object), name)
    if (present === undefined) missing.push(name)
    else if (versionsOf(present) !== versionsOf(object)) other.push(name)
    else if (conditionOf(present, 'Established') !== 'True') pending.push(name)
  }
  const check = 'definitions'
  if (missing.length > 0) return [unlessEmpty(check, missing, '', { is: 'are missing', todo: INSTALL })]
  const established = { is: 'are not established', todo: `kubectl describe crd ${pending[0] ?? ''}` }
  if (pending.length > 0) return [unlessEmpty(check, pending, '', established)]
  const differ = { is: 'are not those of this version', todo: `with the version that runs in the cluster: ${INSTALL}` }
  return [unlessEmpty(check, other, `all ${wanted.length} are those of this version`, differ)]
}

/** What the API server does with objects of a kind: it adds nothing to these parts by itself. */
function versionsOf({ spec }: ClusterObject): string {
  const { versions } = fieldsOf(spec)
  return canonical(
    Array.isArray(versions)
      ? versions.filter(isRecord).map(({ name, schema, subresources }) => ({ name, schema, subresources }))
      : [],
  )
}

/** Kinds with a finding of their own. */
const examined: ReadonlySet<string> = new Set([
  'CustomResourceDefinition',
  'Deployment',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
])

/** Everything else that is installed: there, and roles as they were made. */
export async function installed({ client, manifests }: Look): Promise<readonly Finding[]> {
  const [missing, other]: [string[], string[]] = [[], []]
  const wanted = manifests.filter(({ kind = '' }) => !examined.has(kind))
  for (const object of wanted) {
    const { name, namespace } = object.metadata
    let present: ClusterObject | undefined
    try {
      present = await client.get(typeOf(object), name, namespace)
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error
    }
    if (present === undefined) missing.push(nameOf(object))
    else if (canonical(present['rules'] ?? null) !== canonical(object['rules'] ?? null)) other.push(nameOf(object))
  }
  const check = 'installation'
  if (missing.length > 0) return [unlessEmpty(check, missing, '', { is: 'are missing', todo: INSTALL })]
  const todo = { is: 'grant other rights than this version needs', todo: INSTALL }
  return [unlessEmpty(check, other, `all ${wanted.length} objects are there`, todo)]
}
