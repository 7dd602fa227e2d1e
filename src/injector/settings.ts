import { isIP } from 'node:net'
import { didYouMean } from '../lib/nearest.ts'
import { INJECT, INJECTED, type Mode, modes, PREFIX } from './names.ts'
import type { PodTemplate } from './pod.ts'
import type { Report } from './refusal.ts'

/** What holds for all pods unless their annotations say otherwise. */
export interface InjectSettings {
  readonly image: string
  readonly trustDomain: string
  /** Of the control server, `host:port`. */
  readonly controlAddress: string
  /** Of the projected service-account token. */
  readonly audience: string
  readonly mode: Mode
  readonly resources: Resources
  /** Major and minor of the cluster. */
  readonly kubernetesVersion: readonly [major: number, minor: number]
  /** Of the program that injects; recorded in the pod. */
  readonly programVersion: string
}

/** Quantities of Kubernetes. */
export interface Resources {
  readonly 'cpu-request': string
  readonly 'cpu-limit': string
  readonly 'memory-request': string
  readonly 'memory-limit': string
}

export const defaultResources: Resources = {
  'cpu-request': '50m',
  'cpu-limit': '2',
  'memory-request': '96Mi',
  'memory-limit': '512Mi',
}

/** What holds for one pod. */
export interface PodSettings {
  readonly image: string
  readonly mode: Mode
  readonly resources: Resources
  /** Ports of the application that peers may reach; undefined: those that its containers declare. */
  readonly inboundPorts: readonly number[] | undefined
  readonly excludeInboundPorts: readonly number[]
  readonly excludeOutboundPorts: readonly number[]
  /** CIDR blocks. */
  readonly excludeOutboundRanges: readonly string[]
  readonly excludeInterfaces: readonly string[]
  /** Name of the Workload, for who reads the pod. */
  readonly workload: string | undefined
  /** In place of the identity of the service account. */
  readonly spiffeId: string | undefined
}

/** The value, or what is expected in its place. */
type Parse<T> = (text: string) => { readonly value: T } | { readonly expected: string }

const MAX_ITEMS = 64

function matching(pattern: RegExp, expected: string): Parse<string> {
  return (text) => (pattern.test(text) ? { value: text } : { expected })
}

function listOf<T>(item: Parse<T>): Parse<readonly T[]> {
  return (text) => {
    const words = text.trim() === '' ? [] : text.split(',').map((word) => word.trim())
    if (words.length > MAX_ITEMS) return { expected: `at most ${MAX_ITEMS} items` }
    const values: T[] = []
    for (const word of words) {
      const parsed = item(word)
      if ('expected' in parsed) return { expected: `a list, with commas between, of ${parsed.expected}` }
      values.push(parsed.value)
    }
    return { value: values }
  }
}

function oneOf<const T extends string>(words: readonly T[]): Parse<T> {
  return (text) => {
    const value = words.find((word) => word === text)
    return value === undefined ? { expected: `one of ${words.join(', ')}` } : { value }
  }
}

const port: Parse<number> = (text) => {
  const value = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : 0
  return value >= 1 && value <= 65_535 ? { value } : { expected: 'ports, 1 to 65535' }
}

const range: Parse<string> = (text) => {
  const [, address = '', bits = ''] = /^([0-9a-fA-F.:]+)\/([0-9]{1,3})$/.exec(text) ?? []
  const family = isIP(address)
  const valid = family !== 0 && Number(bits) <= (family === 4 ? 32 : 128)
  return valid ? { value: text } : { expected: 'address ranges such as 10.0.0.0/8' }
}

// resource.Quantity of Kubernetes, without signs and exponents.
const quantity = matching(
  /^[0-9]{1,12}(?:\.[0-9]{1,9})?(?:m|k|Ki|M|Mi|G|Gi|T|Ti)?$/,
  'a quantity such as 100m or 128Mi',
)
const dnsName = matching(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/, 'a name of small letters, digits and dashes')

/** Values of the annotations by their name behind the prefix. */
const readers = {
  inject: oneOf(['enabled', 'disabled']),
  mode: oneOf(modes),
  'inbound-ports': listOf(port),
  'exclude-inbound-ports': listOf(port),
  'exclude-outbound-ports': listOf(port),
  'exclude-outbound-ranges': listOf(range),
  // IFNAMSIZ of Linux: 16 with its end.
  'exclude-interfaces': listOf(matching(/^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}$/, 'names of network interfaces')),
  image: matching(/^[a-z0-9][\w./:@-]{0,254}$/i, 'the name of an image'),
  'cpu-request': quantity,
  'cpu-limit': quantity,
  'memory-request': quantity,
  'memory-limit': quantity,
  workload: dnsName,
  'spiffe-id': matching(/^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[\w.-]+){1,20}$/, 'a SPIFFE ID'),
} as const

/** Names of all annotations that a pod may have, behind the prefix. */
export const annotationNames: readonly string[] = Object.keys(readers)

/** Whether a pod wants a sidecar, as it says itself: by label, which the API server can select, or annotation. Both wins: no. */
export function wanted({ annotations, labels }: PodTemplate): 'enabled' | 'disabled' | undefined {
  const said = [annotations[INJECT], labels[INJECT]]
  if (said.includes('disabled')) return 'disabled'
  return said.includes('enabled') ? 'enabled' : undefined
}

/** Reads the annotations of a pod. Undefined when one is wrong, which is reported. */
export function podSettings(pod: PodTemplate, settings: InjectSettings, report: Report): PodSettings | undefined {
  let whole = true
  for (const place of ['annotations', 'labels'] as const) {
    for (const [key, value] of Object.entries(pod[place])) {
      const name = key.slice(PREFIX.length)
      if (!key.startsWith(PREFIX) || key === INJECTED) continue
      const field = `metadata.${place}[${key}]`
      const known = place === 'annotations' ? annotationNames : ['inject']
      if (!known.includes(name)) {
        whole = false
        const message = `is no ${place.slice(0, -1)} of Outrider${didYouMean(name, known)}`
        report({ code: 'inject-annotation-unknown', field, message })
      } else if (typeof value !== 'string') {
        whole = false
        report({ code: 'inject-annotation-value', field, message: 'is not a text: put it in quotes' })
      }
    }
  }
  const read = <T>(name: keyof typeof readers, parse: Parse<T>): T | undefined => {
    const text = pod.annotations[PREFIX + name]
    if (typeof text !== 'string') return undefined
    const parsed = parse(text)
    if ('value' in parsed) return parsed.value
    whole = false
    const field = `metadata.annotations[${PREFIX}${name}]`
    const message = `${JSON.stringify(text.slice(0, 100))} is not ${parsed.expected}`
    return report({ code: 'inject-annotation-value', field, message })
  }
  read('inject', readers.inject)
  const { resources } = settings
  const result: PodSettings = {
    image: read('image', readers.image) ?? settings.image,
    mode: read('mode', readers.mode) ?? settings.mode,
    resources: {
      'cpu-request': read('cpu-request', readers['cpu-request']) ?? resources['cpu-request'],
      'cpu-limit': read('cpu-limit', readers['cpu-limit']) ?? resources['cpu-limit'],
      'memory-request': read('memory-request', readers['memory-request']) ?? resources['memory-request'],
      'memory-limit': read('memory-limit', readers['memory-limit']) ?? resources['memory-limit'],
    },
    inboundPorts: read('inbound-ports', readers['inbound-ports']),
    excludeInboundPorts: read('exclude-inbound-ports', readers['exclude-inbound-ports']) ?? [],
    excludeOutboundPorts: read('exclude-outbound-ports', readers['exclude-outbound-ports']) ?? [],
    excludeOutboundRanges: read('exclude-outbound-ranges', readers['exclude-outbound-ranges']) ?? [],
    excludeInterfaces: read('exclude-interfaces', readers['exclude-interfaces']) ?? [],
    workload: read('workload', readers.workload),
    spiffeId: read('spiffe-id', readers['spiffe-id']),
  }
  return whole ? result : undefined
}
