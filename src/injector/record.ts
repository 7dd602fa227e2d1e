import { INJECTED, SIDECAR } from './names.ts'
import { fieldsOf, isFields, itemsOf, type PodTemplate, textOf } from './pod.ts'

/** What was replaced and added inside the pod's own containers, by where it is: `app/livenessProbe`. */
export interface InjectionRecord {
  readonly version: 1
  /** Of the program. */
  readonly outrider: string
  readonly mode: string
  readonly workload?: string
  /** Probes as they were: container, path below it, value. */
  readonly probes?: readonly (readonly [container: string, path: string, before: unknown])[]
  /** Environment variables that were added: container, names. */
  readonly env?: readonly (readonly [container: string, ...names: string[]])[]
  /** How the text of a manifest becomes what it was; see manifest/undo.ts. */
  readonly undo?: unknown
}

/** Most bytes of the annotation: Kubernetes takes 256 KiB for all annotations of an object. */
export const MAX_RECORD_BYTES: number = 128 * 1024

/** The record of a pod that was injected. `damaged`: there is an annotation, and what it says does not hold. */
export function recordOf({ annotations, containers }: PodTemplate): InjectionRecord | 'damaged' | undefined {
  const text = annotations[INJECTED]
  if (text === undefined) return undefined
  const record = typeof text === 'string' && text.length <= MAX_RECORD_BYTES ? parsed(text) : undefined
  return record !== undefined && containers.some(({ name }) => name === SIDECAR) ? record : 'damaged'
}

function parsed(text: string): InjectionRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isFields(value) || value['version'] !== 1) return undefined
  const { outrider, mode, workload, undo } = value
  const probes = itemsOf(value['probes']).flatMap((item): [string, string, unknown][] => {
    const [container, path, before] = itemsOf(item)
    return typeof container === 'string' && typeof path === 'string' ? [[container, path, before]] : []
  })
  const env = itemsOf(value['env']).flatMap((item): [string, ...string[]][] => {
    const [container, ...names] = itemsOf(item).filter((word) => typeof word === 'string')
    return container === undefined ? [] : [[container, ...names]]
  })
  return {
    version: 1,
    outrider: textOf(outrider) ?? '',
    mode: textOf(mode) ?? '',
    ...(typeof workload === 'string' ? { workload } : {}),
    probes,
    env,
    undo: isFields(undo) ? fieldsOf(undo) : undefined,
  }
}
