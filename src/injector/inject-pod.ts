import type { DocumentChange, Pointer } from '../policy/document-change.ts'
import { type Addition, addedContainers, addedVolumes, proxyEnvironment } from './additions.ts'
import { appPorts } from './app-ports.ts'
import { checkPod } from './checks.ts'
import { INJECTED } from './names.ts'
import { type Container, fieldsOf, itemsOf, readPod, textOf } from './pod.ts'
import { type RewrittenProbe, rewriteProbes } from './probes.ts'
import { type InjectionRecord, MAX_RECORD_BYTES, recordOf } from './record.ts'
import type { Refusal, Report } from './refusal.ts'
import { type InjectSettings, podSettings, wanted } from './settings.ts'

export type InjectOutcome =
  | { readonly kind: 'unchanged'; readonly why: 'injected-already' | 'disabled' }
  | { readonly kind: 'refused'; readonly refusals: readonly Refusal[] }
  | {
      readonly kind: 'injected'
      /** Of the pod or template, without the annotation. */
      readonly changes: readonly DocumentChange[]
      readonly record: InjectionRecord
    }

/** Most faults that are told of one pod. */
const MAX_REFUSALS = 50

/**
 * What it takes to give a pod, or the template of one, its sidecar. Pure: the same pod and settings give the same changes. All
 * or nothing: one fault is a refusal of the pod, with every fault that was found. `owner` is the name of what the pod is of.
 */
export function injectPod(pod: unknown, owner: string | undefined, settings: InjectSettings): InjectOutcome {
  const refusals: Refusal[] = []
  const report: Report = (refusal) => {
    if (refusals.length < MAX_REFUSALS) refusals.push(refusal)
    return undefined
  }
  const outcome = attempt(pod, owner, settings, report)
  return refusals.length > 0 || outcome === undefined ? { kind: 'refused', refusals } : outcome
}

function attempt(
  pod: unknown,
  owner: string | undefined,
  settings: InjectSettings,
  report: Report,
): InjectOutcome | undefined {
  const template = readPod(pod, report)
  if (template === undefined) return undefined
  const present = recordOf(template)
  if (present === 'damaged') {
    const message = 'says that the pod was injected, and the pod has no such sidecar: remove the annotation'
    return report({ code: 'inject-name-conflict', field: `metadata.annotations[${INJECTED}]`, message })
  }
  if (present !== undefined) return { kind: 'unchanged', why: 'injected-already' }
  const chosen = podSettings(template, settings, report)
  if (wanted(template) === 'disabled') return { kind: 'unchanged', why: 'disabled' }
  if (chosen === undefined) return undefined
  const { containers } = template
  const open = appPorts(containers, chosen)
  checkPod(template, chosen, settings, open, report)
  const captured = chosen.mode !== 'explicit'
  const probes = captured ? rewriteProbes(containers, chosen.excludeInboundPorts, report) : []
  const targets = [...new Set(probes.map(({ target }) => target))]
  const addition: Addition = { settings, pod: chosen, appPorts: open, probes: targets }
  const environment = captured ? [] : containers.map(proxiesOf)
  const added = environment.filter(({ names }) => names.length > 0)
  const workload = chosen.workload ?? owner
  const record: InjectionRecord = {
    version: 1,
    outrider: settings.programVersion,
    mode: chosen.mode,
    ...(workload === undefined ? {} : { workload }),
    ...(probes.length === 0
      ? {}
      : { probes: probes.map(({ container, path, before }) => [container.name, path.join('/'), before]) }),
    ...(added.length === 0 ? {} : { env: added.map(({ container, names }) => [container.name, ...names]) }),
  }
  const bytes = Buffer.byteLength(JSON.stringify(record))
  if (bytes > MAX_RECORD_BYTES) {
    const message = `what would be recorded of it has ${bytes} bytes; the limit is ${MAX_RECORD_BYTES}`
    report({ code: 'inject-too-large', field: 'spec.containers', message })
  }
  const changes = [
    listChange(template.spec, ['spec'], 'initContainers', addedContainers(addition)),
    listChange(template.spec, ['spec'], 'volumes', addedVolumes(addition)),
    ...probes.flatMap(probeChanges),
    ...added.map(({ container, names }) => {
      const values = names.map((name) => ({ name, value: proxyEnvironment[name] }))
      return listChange(container.value, pointerOf(container), 'env', values)
    }),
  ]
  return { kind: 'injected', changes, record }
}

/** The change that sets the annotation. */
export function annotationChange(pod: unknown, record: InjectionRecord): DocumentChange {
  const value = JSON.stringify(record)
  const metadata = fieldsOf(pod)['metadata']
  if (metadata === undefined)
    return { op: 'put', map: [], key: 'metadata', value: { annotations: { [INJECTED]: value } } }
  if (fieldsOf(metadata)['annotations'] === undefined)
    return { op: 'put', map: ['metadata'], key: 'annotations', value: { [INJECTED]: value } }
  return { op: 'put', map: ['metadata', 'annotations'], key: INJECTED, value }
}

function pointerOf({ list, index }: Container): Pointer {
  return ['spec', list, index]
}

/** Before what is there: order among init containers is the order in which they start. */
function listChange(
  parent: Readonly<Record<string, unknown>>,
  at: Pointer,
  key: string,
  values: readonly unknown[],
): DocumentChange {
  return parent[key] === undefined
    ? { op: 'put', map: at, key, value: values }
    : { op: 'prepend', list: [...at, key], values }
}

/** As little as possible, so that what else is said of the probe stays as it is written. */
function probeChanges({ container, path, before, after }: RewrittenProbe): DocumentChange[] {
  const at = [...pointerOf(container), ...path]
  const asked = before['httpGet']
  if (asked === undefined || asked === null) return [{ op: 'replace', at, value: after }]
  const wantedFields = fieldsOf(after['httpGet'])
  const present = fieldsOf(asked)
  const inside = [...at, 'httpGet']
  const set = (key: string, value: unknown): DocumentChange[] => {
    if (present[key] === undefined) return [{ op: 'put', map: inside, key, value }]
    return present[key] === value ? [] : [{ op: 'replace', at: [...inside, key], value }]
  }
  const { scheme } = present
  return [
    ...set('path', wantedFields['path']),
    ...set('port', wantedFields['port']),
    ...(scheme === undefined || scheme === 'HTTP' ? [] : set('scheme', 'HTTP')),
  ]
}

/** What the container has set itself, in either case, stays. */
function proxiesOf(container: Container): { readonly container: Container; readonly names: readonly string[] } {
  const set = new Set(itemsOf(container.value['env']).map((item) => textOf(fieldsOf(item)['name'])?.toLowerCase()))
  return { container, names: Object.keys(proxyEnvironment).filter((name) => !set.has(name.toLowerCase())) }
}
