import type { Report } from './refusal.ts'

export type Fields = Readonly<Record<string, unknown>>

/** One container, with where it is. */
export interface Container {
  readonly list: 'containers' | 'initContainers'
  readonly index: number
  /** `spec.containers[0]`. */
  readonly field: string
  readonly name: string
  readonly value: Fields
}

/** The parts of a pod template that injection looks at. */
export interface PodTemplate {
  readonly value: Fields
  readonly annotations: Fields
  readonly labels: Fields
  readonly spec: Fields
  readonly containers: readonly Container[]
}

const MAX_CONTAINERS = 100

/** Reads a pod, or the template of one. What has the wrong type is reported: it might mean something else to the cluster. */
export function readPod(pod: unknown, report: Report): PodTemplate | undefined {
  let whole = true
  const wrong = (field: string, expected: string): undefined => {
    whole = false
    return report({ code: 'inject-pod-malformed', field, message: `is not ${expected}` })
  }
  const fields = (value: unknown, field: string): Fields => {
    if (value === undefined || value === null) return {}
    return isFields(value) ? value : (wrong(field, 'a mapping') ?? {})
  }
  const value = fields(pod, '')
  const metadata = fields(value['metadata'], 'metadata')
  const annotations = fields(metadata['annotations'], 'metadata.annotations')
  const labels = fields(metadata['labels'], 'metadata.labels')
  const spec = fields(value['spec'], 'spec')
  const containers: Container[] = []
  for (const list of ['initContainers', 'containers'] as const) {
    const items = spec[list]
    if (items === undefined || items === null) continue
    if (!Array.isArray(items)) wrong(`spec.${list}`, 'a list')
    else {
      items.forEach((item: unknown, index) => {
        const field = `spec.${list}[${index}]`
        const container = fields(item, field)
        const { name } = container
        if (typeof name === 'string' && name !== '') containers.push({ list, index, field, name, value: container })
        else wrong(`${field}.name`, 'a text')
      })
    }
  }
  if (containers.length > MAX_CONTAINERS) wrong('spec.containers', `at most ${MAX_CONTAINERS} containers`)
  if (whole && !containers.some(({ list }) => list === 'containers'))
    wrong('spec.containers', 'a list with a container')
  for (const flag of ['hostNetwork', 'hostPID', 'shareProcessNamespace']) {
    const set = spec[flag]
    // `yes` is true to YAML 1.1, which Kubernetes reads, and a text to YAML 1.2.
    if (set !== undefined && set !== null && typeof set !== 'boolean') wrong(`spec.${flag}`, 'true or false')
  }
  return whole ? { value, annotations, labels, spec, containers } : undefined
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {}
}

export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Containers that run as long as the pod does: the application's, and sidecars of others. */
export function keepsRunning({ list, value }: Container): boolean {
  return list === 'containers' || value['restartPolicy'] === 'Always'
}
