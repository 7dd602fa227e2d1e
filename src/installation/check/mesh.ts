import { controlOptions } from '../../config/control.ts'
import { TRUST_CONFIG_MAP } from '../../control/kubernetes/trust-config-map.ts'
import { INJECT } from '../../injector/names.ts'
import { fieldsOf, itemsOf, textOf } from '../../injector/pod.ts'
import { type ClusterObject, keyOf } from '../../kubernetes/objects.ts'
import { types } from '../object-types.ts'
import { type Finding, named, unlessEmpty } from './finding.ts'
import { collect, type Look } from './look.ts'
import { type Expected, factsOf, type PodFacts, podFindings } from './pods.ts'

const CONTROL = 'outrider-control'
/** The webhook configuration leaves them out, whatever their labels. */
const never: ReadonlySet<string> = new Set(['kube-system', 'outrider-system'])
const SERVICE_LABEL = 'kubernetes.io/service-name'

/** Namespaces that want sidecars, their pods, and the services in front of them. */
export async function workloads(look: Look): Promise<readonly Finding[]> {
  const namespaces = await collect(look, types.namespaces, ({ metadata }) => metadata.labels?.[INJECT])
  const wanting = [...namespaces].flatMap(([name, label]) => (label === 'enabled' ? [name] : []))
  const labelled = new Set(wanting.filter((name) => !never.has(name)))
  const pods = await collect(look, types.pods, factsOf)
  const facts = [...pods.values()].filter((pod) => pod !== undefined)
  return [
    ...(await labels(look, labelled)),
    ...podFindings(facts, labelled, await expectedOf(look)),
    await unreached(look, labelled, pods),
  ]
}

async function labels(look: Look, labelled: ReadonlySet<string>): Promise<readonly Finding[]> {
  if (labelled.size === 0) {
    const detail = `none has the label; kubectl label namespace NAME ${INJECT}=enabled`
    return [{ check: 'namespaces', result: 'warning', detail }]
  }
  const bundles = await collect(look, types.configMaps, () => true, `metadata.name=${TRUST_CONFIG_MAP}`)
  const without = [...labelled].filter((namespace) => !bundles.has(`${namespace}/${TRUST_CONFIG_MAP}`))
  return [
    { check: 'namespaces', result: 'ok', detail: `${labelled.size} with sidecars: ${named([...labelled])}` },
    unlessEmpty('trust bundles', without, `in all ${labelled.size} namespaces`, {
      is: `have no ConfigMap ${TRUST_CONFIG_MAP}, so that pods do not start there`,
      todo: `the control server makes it: kubectl logs -n outrider-system deploy/${CONTROL}`,
    }),
  ]
}

/** What the control server of the cluster is configured with. */
async function expectedOf({ client, manifests, version }: Look): Promise<Expected> {
  const wanted = manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === CONTROL)
  const present = await client.get(types.deployments, CONTROL, wanted?.metadata.namespace)
  const [container] = itemsOf(fieldsOf(fieldsOf(fieldsOf(present?.['spec'])['template'])['spec'])['containers'])
  const environment = new Map(
    itemsOf(fieldsOf(container)['env']).map((variable) => {
      const { name, value } = fieldsOf(variable)
      return [textOf(name) ?? '', textOf(value)]
    }),
  )
  return {
    version,
    audience: environment.get('OUTRIDER_KUBERNETES_AUDIENCE') ?? controlOptions.kubernetesAudience.default,
    trustDomain: environment.get('OUTRIDER_TRUST_DOMAIN') ?? controlOptions.trustDomain.default,
  }
}

/** Services in front of pods of which none has a sidecar: to the mesh they are not there. */
async function unreached(
  look: Look,
  labelled: ReadonlySet<string>,
  pods: ReadonlyMap<string, PodFacts | undefined>,
): Promise<Finding> {
  const slices = await collect(look, types.endpointSlices, (slice) =>
    labelled.has(slice.metadata.namespace ?? '') ? podsOf(slice) : undefined,
  )
  const services = new Map<string, boolean>()
  for (const slice of slices.values()) {
    if (slice === undefined || slice.pods.length === 0) continue
    const meshed = slice.pods.some((pod) => pods.get(pod)?.state === 'meshed')
    services.set(slice.service, meshed || services.get(slice.service) === true)
  }
  const bare = [...services].filter(([, meshed]) => !meshed).map(([name]) => name)
  return unlessEmpty('services', bare, `all ${services.size} with pods have sidecars behind them`, {
    result: 'warning',
    is: 'have no pod with a sidecar behind them, so that the mesh does not know them',
    todo: 'give the pods a sidecar, or describe what they are with a Service of outrider.mesh/v1',
  })
}

function podsOf(slice: ClusterObject): { readonly service: string; readonly pods: readonly string[] } | undefined {
  const { namespace = '', labels } = slice.metadata
  const service = labels?.[SERVICE_LABEL]
  if (service === undefined) return undefined
  const pods = itemsOf(slice['endpoints']).flatMap((endpoint) => {
    const { kind, name } = fieldsOf(fieldsOf(endpoint)['targetRef'])
    return kind === 'Pod' && typeof name === 'string' ? [keyOf({ metadata: { namespace, name } })] : []
  })
  return { service: `${namespace}/${service}`, pods }
}
