import { INJECT, INJECTED, REDIRECT, SIDECAR, TOKEN_VOLUME } from '../../injector/names.ts'
import { fieldsOf, itemsOf, readPod, textOf } from '../../injector/pod.ts'
import { recordOf } from '../../injector/record.ts'
import type { ClusterObject } from '../../kubernetes/objects.ts'
import { type Finding, named, unlessEmpty } from './finding.ts'

/** What is looked at of one pod. */
export interface PodFacts {
  readonly name: string
  readonly namespace: string
  /** `meshed`: it has our sidecar; `damaged`: it says so, and has none. */
  readonly state: 'meshed' | 'damaged' | 'plain'
  /** Says itself that it wants none. */
  readonly refuses: boolean
  /** Of the injector that gave it the sidecar. */
  readonly version: string
  readonly ready: boolean
  readonly restarts: number
  /** Why the capture rules were not made; undefined where they were, or there are none. */
  readonly capture: string | undefined
  readonly audience: string | undefined
  readonly trustDomain: string | undefined
}

/** What the control server expects of every pod. */
export interface Expected {
  readonly version: string
  readonly audience: string
  readonly trustDomain: string
}

/** A sidecar that was started anew more often than this has a reason. */
const MAX_RESTARTS = 3
const ROLL_OUT = 'roll them out anew: kubectl rollout restart'

/** Undefined for a pod that is over, or going, or that no injector could change. */
export function factsOf(pod: ClusterObject): PodFacts | undefined {
  const { name, namespace = '', annotations = {}, labels = {}, deletionTimestamp } = pod.metadata
  const status = fieldsOf(pod['status'])
  const over = status['phase'] === 'Succeeded' || status['phase'] === 'Failed' || deletionTimestamp !== undefined
  if (over || annotations['kubernetes.io/config.mirror'] !== undefined) return undefined
  const template = readPod(pod, () => undefined)
  const record = template && recordOf(template)
  const states = itemsOf(status['initContainerStatuses']).map(fieldsOf)
  const sidecar = states.find((one) => one['name'] === SIDECAR) ?? {}
  const container = fieldsOf(template?.containers.find((one) => one.name === SIDECAR)?.value)
  const restarts = sidecar['restartCount']
  return {
    name,
    namespace,
    state: record === undefined ? 'plain' : record === 'damaged' ? 'damaged' : 'meshed',
    refuses: annotations[INJECT] === 'disabled' || labels[INJECT] === 'disabled',
    version: typeof record === 'object' ? record.outrider : '',
    ready: sidecar['ready'] === true,
    restarts: typeof restarts === 'number' ? restarts : 0,
    capture: captureFault(states.find((one) => one['name'] === REDIRECT) ?? {}),
    audience: audienceOf(pod),
    trustDomain: trustDomainOf(container),
  }
}

function captureFault(status: Readonly<Record<string, unknown>>): string | undefined {
  for (const state of [status['state'], status['lastState']]) {
    const { exitCode, message } = fieldsOf(fieldsOf(state)['terminated'])
    if (exitCode === 0) return undefined
    if (typeof exitCode === 'number') return textOf(message) ?? `exit code ${exitCode}`
  }
  return undefined
}

function audienceOf(pod: ClusterObject): string | undefined {
  const volume = itemsOf(fieldsOf(pod['spec'])['volumes'])
    .map(fieldsOf)
    .find(({ name }) => name === TOKEN_VOLUME)
  const [source] = itemsOf(fieldsOf(volume?.['projected'])['sources'])
  return textOf(fieldsOf(fieldsOf(source)['serviceAccountToken'])['audience'])
}

function trustDomainOf(container: Readonly<Record<string, unknown>>): string | undefined {
  const variable = itemsOf(container['env'])
    .map(fieldsOf)
    .find(({ name }) => name === 'OUTRIDER_SPIFFE_ID')
  return /^spiffe:\/\/([^/]+)\//.exec(textOf(variable?.['value']) ?? '')?.[1]
}

/** Pods against what they should be. `labelled`: namespaces whose pods want a sidecar. */
export function podFindings(
  pods: readonly PodFacts[],
  labelled: ReadonlySet<string>,
  expected: Expected,
): readonly Finding[] {
  const meshed = pods.filter(({ state }) => state === 'meshed')
  const those = (which: (pod: PodFacts) => boolean, of: readonly PodFacts[] = meshed): readonly string[] =>
    of.filter(which).map(({ namespace, name }) => `${namespace}/${name}`)
  const bare = those(({ state, refuses, namespace }) => state === 'plain' && !refuses && labelled.has(namespace), pods)
  const captures = meshed.filter(({ capture }) => capture !== undefined)
  const [first] = captures
  const count = `${meshed.length} pods`
  return [
    unlessEmpty('pods without sidecar', bare, `none where ${INJECT} is enabled`, {
      is: 'are in labelled namespaces and have no sidecar, so that they came before the label',
      todo: ROLL_OUT,
    }),
    unlessEmpty(
      'damaged pods',
      those(({ state }) => state === 'damaged', pods),
      'none',
      {
        is: `have the annotation ${INJECTED}, and no sidecar`,
        todo: 'take the annotation out of their template',
      },
    ),
    unlessEmpty(
      'capture',
      those(({ capture }) => capture !== undefined),
      `made where ${count} want it`,
      {
        is: `have no capture rules (${first?.capture ?? ''})`,
        todo: `kubectl logs -n ${first?.namespace} ${first?.name} -c ${REDIRECT}`,
      },
    ),
    unlessEmpty(
      'sidecars',
      those(({ ready, capture }) => !ready && capture === undefined),
      `all of ${count} are ready`,
      {
        is: 'have a sidecar that is not ready',
        todo: `kubectl logs -n NAMESPACE POD -c ${SIDECAR}`,
      },
    ),
    unlessEmpty(
      'restarts',
      those(({ restarts }) => restarts > MAX_RESTARTS),
      `of none more than ${MAX_RESTARTS}`,
      {
        result: 'warning',
        is: `had their sidecar started anew more than ${MAX_RESTARTS} times`,
        todo: `kubectl logs -n NAMESPACE POD -c ${SIDECAR} --previous`,
      },
    ),
    unlessEmpty(
      'token audience',
      those(({ audience }) => audience !== expected.audience),
      `"${expected.audience}"`,
      {
        is: `have a token for another audience than "${expected.audience}", which the control server expects`,
        todo: `set tokenAudience of the injector to kubernetesAudience of the control server; ${ROLL_OUT}`,
      },
    ),
    unlessEmpty(
      'trust domain',
      those((pod) => isForeign(pod, expected)),
      expected.trustDomain,
      {
        is: `ask for an identity outside of ${expected.trustDomain}`,
        todo: `set trustDomain of the injector to that of the control server; ${ROLL_OUT}`,
      },
    ),
    versions(meshed, expected.version),
  ]
}

function isForeign({ trustDomain }: PodFacts, expected: Expected): boolean {
  return trustDomain !== undefined && trustDomain !== expected.trustDomain
}

function versions(meshed: readonly PodFacts[], expected: string): Finding {
  const check = 'sidecar versions'
  const other = meshed.filter(({ version }) => version !== expected)
  if (other.length === 0) return { check, result: 'ok', detail: expected }
  const names = other.map(({ namespace, name, version }) => `${namespace}/${name} (${version})`)
  return { check, result: 'warning', detail: `${named(names)} have not ${expected}; ${ROLL_OUT}` }
}
