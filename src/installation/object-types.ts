import type { ClusterObject, ResourceType } from '../kubernetes/objects.ts'
import { OutriderError } from '../lib/errors.ts'
import { apiVersion as ownApiVersion } from '../policy/model.ts'

function type(apiVersion: string, plural: string, namespaced = true): ResourceType {
  const [version = '', group = ''] = apiVersion.split('/').toReversed()
  return { group, version, plural, namespaced }
}

type TypeName =
  | 'namespaces'
  | 'definitions'
  | 'configMaps'
  | 'secrets'
  | 'services'
  | 'pods'
  | 'deployments'
  | 'endpointSlices'
  | 'mutating'
  | 'validating'

/** Types of the API server that are asked for by name. */
export const types: Readonly<Record<TypeName, ResourceType>> = {
  namespaces: type('v1', 'namespaces', false),
  definitions: type('apiextensions.k8s.io/v1', 'customresourcedefinitions', false),
  configMaps: type('v1', 'configmaps'),
  secrets: type('v1', 'secrets'),
  services: type('v1', 'services'),
  pods: type('v1', 'pods'),
  deployments: type('apps/v1', 'deployments'),
  endpointSlices: type('discovery.k8s.io/v1', 'endpointslices'),
  mutating: type('admissionregistration.k8s.io/v1', 'mutatingwebhookconfigurations', false),
  validating: type('admissionregistration.k8s.io/v1', 'validatingwebhookconfigurations', false),
}

/**
 * The kinds that are installed, in the order in which they come. What others need is before them; the webhook configurations are
 * last, because from then on pods wait for the injector.
 */
const installed: Readonly<Record<string, ResourceType>> = {
  'v1 Namespace': types.namespaces,
  'apiextensions.k8s.io/v1 CustomResourceDefinition': types.definitions,
  'v1 ServiceAccount': type('v1', 'serviceaccounts'),
  'rbac.authorization.k8s.io/v1 ClusterRole': type('rbac.authorization.k8s.io/v1', 'clusterroles', false),
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': type('rbac.authorization.k8s.io/v1', 'clusterrolebindings', false),
  'rbac.authorization.k8s.io/v1 Role': type('rbac.authorization.k8s.io/v1', 'roles'),
  'rbac.authorization.k8s.io/v1 RoleBinding': type('rbac.authorization.k8s.io/v1', 'rolebindings'),
  'v1 Secret': types.secrets,
  'networking.k8s.io/v1 NetworkPolicy': type('networking.k8s.io/v1', 'networkpolicies'),
  'v1 Service': types.services,
  'policy/v1 PodDisruptionBudget': type('policy/v1', 'poddisruptionbudgets'),
  [`${ownApiVersion} Workload`]: type(ownApiVersion, 'workloads'),
  'apps/v1 Deployment': types.deployments,
  'admissionregistration.k8s.io/v1 MutatingWebhookConfiguration': types.mutating,
  'admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration': types.validating,
}
const order = Object.keys(installed)

function kindOf({ apiVersion = '', kind = '' }: ClusterObject): string {
  return `${apiVersion} ${kind}`
}

/** Throws `install-kind` for a kind that has no place in the order. */
export function typeOf(object: ClusterObject): ResourceType {
  const found = installed[kindOf(object)]
  if (found !== undefined) return found
  throw new OutriderError('install-kind', `${nameOf(object)}: ${kindOf(object)} is no kind that is installed`)
}

/** In the order in which they are installed; those of one kind stay as they are. */
export function inOrder(objects: readonly ClusterObject[]): readonly ClusterObject[] {
  return objects.toSorted((a, b) => order.indexOf(kindOf(a)) - order.indexOf(kindOf(b)))
}

/** For people: `Deployment outrider-system/outrider-control`. */
export function nameOf({ kind = 'object', metadata: { name, namespace } }: ClusterObject): string {
  return `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`
}
