import { OutriderError } from '../../lib/errors.ts'

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const subdomain = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const sha256 = /^[0-9a-f]{64}$/
const number = /^(?:0|[1-9]\d{0,9})$/

interface Shape {
  readonly form: RegExp
  /** The value in words, for the error. */
  readonly expects: string
  /** Says nothing without this one, whose names it is a part of. */
  readonly within?: SelectorKey
}

/** What can be said of a workload by evidence, as `kind:key`. */
export type SelectorKey =
  | 'k8s:ns'
  | 'k8s:sa'
  | 'k8s:pod-name'
  | 'k8s:pod-uid'
  | 'k8s:node-name'
  | 'unix:uid'
  | 'unix:gid'
  | 'unix:path'
  | 'unix:sha256'
  | 'x509:subject-sha256'
  | 'x509:cert-sha256'
  | 'x509:root-sha256'
  | 'x509:dns'
  | 'x509:uri'

const hash = { form: sha256, expects: '64 hexadecimal digits in lower case' }
const id = { form: number, expects: 'a number' }

const shapes: Readonly<Record<SelectorKey, Shape>> = {
  'k8s:ns': { form: label, expects: 'the name of a namespace' },
  'k8s:sa': { form: subdomain, expects: 'the name of a service account', within: 'k8s:ns' },
  'k8s:pod-name': { form: subdomain, expects: 'the name of a pod', within: 'k8s:ns' },
  'k8s:pod-uid': { form: uuid, expects: 'a UUID' },
  'k8s:node-name': { form: subdomain, expects: 'the name of a node' },
  'unix:uid': id,
  'unix:gid': id,
  'unix:path': { form: /^\/[^\0]{0,1023}$/, expects: 'an absolute path' },
  'unix:sha256': hash,
  'x509:subject-sha256': hash,
  'x509:cert-sha256': hash,
  'x509:root-sha256': hash,
  'x509:dns': { form: subdomain, expects: 'a DNS name' },
  'x509:uri': { form: /^[\x21-\x7e]{1,1024}$/, expects: 'a URI' },
}

const table: ReadonlyMap<string, Shape> = new Map(Object.entries(shapes))

/** How a selector begins. */
export const selectorForm: RegExp = new RegExp(`^(?:${[...table.keys()].join('|')}):`)

/** One fact about a workload that evidence can prove: `k8s:ns:payments`. */
export interface Selector {
  readonly kind: string
  readonly key: string
  readonly text: string
}

/** The text of a fact that was proved. */
export function selectorText(key: SelectorKey, value: string | number): string {
  return `${key}:${value}`
}

/** Throws an `OutriderError` with `selector-malformed`. */
export function parseSelector(text: string): Selector {
  const [kind = '', name = '', ...rest] = text.split(':')
  const key = `${kind}:${name}`
  const shape = table.get(key)
  if (shape === undefined)
    throw malformed(`a selector begins with ${[...table.keys()].map((known) => `${known}:`).join(', ')}`, text)
  if (!shape.form.test(rest.join(':'))) throw malformed(`${key}: is followed by ${shape.expects}`, text)
  return { kind, key, text }
}

/**
 * Why no workload can be told by these selectors, or `undefined`. All must hold at once, and one attestation proves facts of
 * one kind.
 */
export function selectorsFault(selectors: readonly Selector[]): string | undefined {
  const kinds = new Set(selectors.map(({ kind }) => kind))
  if (kinds.size > 1) return `all must hold, and no evidence proves selectors of two kinds: ${[...kinds].join(', ')}`
  const keys = new Set(selectors.map(({ key }) => key))
  for (const key of keys) {
    const within = table.get(key)?.within
    if (within !== undefined && !keys.has(within))
      return `${key} needs ${within} beside it: every namespace has its own`
  }
  return undefined
}

function malformed(what: string, text: string): OutriderError<'selector-malformed'> {
  return new OutriderError('selector-malformed', `${what}: ${JSON.stringify(text.slice(0, 100))}`)
}
