import type { Pointer } from '../policy/document-change.ts'
import { proxyEnvironment } from './additions.ts'
import { containerNames, INJECTED, volumeNames } from './names.ts'
import { type Container, fieldsOf, itemsOf, type PodTemplate, textOf } from './pod.ts'
import type { InjectionRecord } from './record.ts'

/** What takes the sidecar out of a pod: `remove` in the order of the document. */
export interface Removal {
  readonly remove: readonly Pointer[]
  readonly replace: readonly (readonly [at: Pointer, value: unknown])[]
}

/** Finds what was added by name and value, and what was replaced by the record: the pod may have changed since. */
export function uninjectPod({ spec, annotations, containers }: PodTemplate, record: InjectionRecord): Removal {
  const remove: Pointer[] = []
  const replace: (readonly [Pointer, unknown])[] = []
  const others = Object.keys(annotations).filter((name) => name !== INJECTED)
  remove.push(others.length > 0 ? ['metadata', 'annotations', INJECTED] : ['metadata', 'annotations'])
  for (const [list, names] of [
    ['initContainers', containerNames],
    ['volumes', volumeNames],
  ] as const) {
    remove.push(...removed(spec[list], ['spec', list], (name) => names.includes(name)))
  }
  const named = (name: string): Container | undefined => containers.find((container) => container.name === name)
  for (const [name, path, before] of record.probes ?? []) {
    const container = named(name)
    const steps = path.split('/')
    // A probe that somebody has taken away since stays away.
    const present = steps.reduce<unknown>((inside, step) => fieldsOf(inside)[step], container?.value)
    if (container !== undefined && present !== undefined) replace.push([[...at(container), ...steps], before])
  }
  for (const [name, ...names] of record.env ?? []) {
    const container = named(name)
    if (container === undefined) continue
    remove.push(
      ...removed(
        container.value['env'],
        [...at(container), 'env'],
        (variable, item) => names.includes(variable) && item['value'] === proxyEnvironment[variable],
      ),
    )
  }
  return { remove, replace }
}

function at({ list, index }: Container): Pointer {
  return ['spec', list, index]
}

/** The items of a list that go; the list itself when none stays. */
function removed(
  list: unknown,
  pointer: Pointer,
  goes: (name: string, item: Readonly<Record<string, unknown>>) => boolean,
): Pointer[] {
  const items = itemsOf(list)
  const going = items.flatMap((item, index) => {
    const name = textOf(fieldsOf(item)['name'])
    return name !== undefined && goes(name, fieldsOf(item)) ? [index] : []
  })
  if (going.length > 0 && going.length === items.length) return [pointer]
  return going.map((index) => [...pointer, index])
}
