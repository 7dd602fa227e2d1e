import { TRUST_CONFIG_MAP } from '../../control/kubernetes/trust-config-map.ts'
import { INJECT, SIDECAR } from '../../injector/names.ts'
import { fieldsOf, itemsOf, textOf } from '../../injector/pod.ts'
import { fromPem } from '../../identity/x509.ts'
import type { ApiClient } from '../../kubernetes/client.ts'
import { ApiError } from '../../kubernetes/failure.ts'
import type { ClusterObject } from '../../kubernetes/objects.ts'
import { nameOf, typeOf, types } from '../object-types.ts'
import { troubleOf, unavailable } from '../wait.ts'
import type { Finding } from './finding.ts'
import type { Look } from './look.ts'

const VERSION_LABEL = 'app.kubernetes.io/version'
const BUNDLE_KEY = 'bundle.pem'
const MAX_PODS = 100

/** Control server and injector: all their replicas run, and are of this version. */
export async function deployments(look: Look): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const wanted of look.manifests.filter(({ kind }) => kind === 'Deployment')) {
    const { name, namespace } = wanted.metadata
    const check = `deployment ${name}`
    const present = await look.client.get(types.deployments, name, namespace)
    if (present === undefined) findings.push({ check, result: 'failed', detail: 'is missing; outrider install' })
    else findings.push(await runs(look, check, present))
  }
  return findings
}

async function runs({ client, version }: Look, check: string, deployment: ClusterObject): Promise<Finding> {
  const { name, namespace = '', labels } = deployment.metadata
  const why = unavailable(deployment)
  if (why !== undefined) {
    const selector = { namespace, labelSelector: `app.kubernetes.io/name=${name}`, maxObjects: MAX_PODS }
    const pods = (await client.list(types.pods, selector)).items
    const trouble = pods.flatMap((pod) => troubleOf(pod) ?? [])[0]
    const seen = trouble === undefined ? '' : ` (${trouble})`
    return { check, result: 'failed', detail: `${why}${seen}; kubectl describe pods -n ${namespace}` }
  }
  const runs = labels?.[VERSION_LABEL] ?? 'unknown'
  if (runs === version) return { check, result: 'ok', detail: `runs ${version}` }
  const detail = `runs ${runs}, and this is ${version}; use the outrider of that version, or outrider install`
  return { check, result: 'warning', detail }
}

/** The API server believes the injector: it has the roots that the mesh has, and while one is given up that one, too. */
export async function webhookTrust({ client, manifests }: Look): Promise<readonly Finding[]> {
  const namespace = manifests.find(({ kind }) => kind === 'Namespace')?.metadata.name ?? ''
  const roots = await meshRoots(client, namespace)
  const findings: Finding[] = []
  for (const wanted of manifests.filter(({ kind = '' }) => kind.endsWith('WebhookConfiguration'))) {
    const check = wanted.kind === 'MutatingWebhookConfiguration' ? 'webhook for pods' : 'webhook for resources'
    const present = await client.get(typeOf(wanted), wanted.metadata.name)
    findings.push(present === undefined ? missing(check, wanted) : trusts(check, present, roots))
  }
  return findings
}

function missing(check: string, wanted: ClusterObject): Finding {
  return { check, result: 'failed', detail: `${nameOf(wanted)} is missing; outrider install` }
}

function trusts(check: string, present: ClusterObject, roots: ReadonlySet<string> | undefined): Finding {
  const look = 'kubectl logs -n outrider-system deploy/outrider-injector'
  const hooks = itemsOf(present['webhooks']).map(fieldsOf)
  const bundles = hooks.map(({ clientConfig }) => rootsOf(textOf(fieldsOf(clientConfig)['caBundle']) ?? '', 'base64'))
  if (bundles.length === 0 || bundles.some((bundle) => bundle.size === 0))
    return { check, result: 'failed', detail: `has no caBundle, which the injector writes; ${look}` }
  if (roots === undefined)
    return { check, result: 'warning', detail: `${TRUST_CONFIG_MAP} is missing: nothing to compare caBundle with` }
  if (roots.size === 0)
    return {
      check,
      result: 'failed',
      detail: `${TRUST_CONFIG_MAP} has no root; kubectl logs -n outrider-system deploy/outrider-control`,
    }
  if (bundles.some((bundle) => [...roots].some((root) => !bundle.has(root))))
    return { check, result: 'failed', detail: `its caBundle lacks a root of the mesh; ${look}` }
  if (hooks.some(({ failurePolicy }) => failurePolicy === 'Ignore')) {
    const detail = 'failurePolicy is Ignore: while no injector answers, pods run without a sidecar'
    return { check, result: 'warning', detail }
  }
  return { check, result: 'ok', detail: 'caBundle has the roots of the mesh' }
}

async function meshRoots(client: ApiClient, namespace: string): Promise<ReadonlySet<string> | undefined> {
  const map = await client.get(types.configMaps, TRUST_CONFIG_MAP, namespace)
  const pem = textOf(fieldsOf(map?.['data'])[BUNDLE_KEY])
  return pem === undefined ? undefined : rootsOf(pem, 'utf8')
}

/** The certificates of a PEM text, whatever their order and layout; none where it is none. */
function rootsOf(text: string, encoding: 'base64' | 'utf8'): ReadonlySet<string> {
  try {
    return new Set(fromPem(Buffer.from(text, encoding).toString('utf8')).map((der) => der.toString('base64')))
  } catch {
    return new Set()
  }
}

/** Has the API server ask the injector about a pod that is not stored. */
export async function injects({ client }: Look): Promise<readonly Finding[]> {
  const check = 'injection'
  let pod: unknown
  try {
    pod = await client.raw({ method: 'POST', path: '/api/v1/namespaces/default/pods?dryRun=All', body: probe })
  } catch (error) {
    if (!(error instanceof ApiError) || error.code === 'kubernetes-unreachable') throw error
    const detail = `a pod that wants a sidecar is refused: ${error.message}; kubectl get pods -n outrider-system`
    return [{ check, result: 'failed', detail }]
  }
  const containers = itemsOf(fieldsOf(fieldsOf(pod)['spec'])['initContainers']).map(fieldsOf)
  if (containers.some(({ name }) => name === SIDECAR))
    return [{ check, result: 'ok', detail: 'a pod that wants a sidecar gets it' }]
  const why = `a pod that wants a sidecar gets none: is failurePolicy Ignore, or namespace default labelled ${INJECT}=disabled?`
  return [{ check, result: 'warning', detail: why }]
}

/** Fits Pod Security `restricted`, and so does its sidecar. */
const probe = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    generateName: 'outrider-check-',
    labels: { [INJECT]: 'enabled' },
    annotations: { 'outrider.mesh/mode': 'explicit' },
  },
  spec: {
    securityContext: { runAsNonRoot: true, runAsUser: 65_534, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'app',
        image: 'never-run',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  },
}
