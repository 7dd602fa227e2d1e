// Manifests in every layout that YAML has, and damaged ones: what is injected can be read, is the same when it is injected twice, is what a
// JSON Patch makes of the value, and comes back byte for byte; everything else is refused with a place.
import t from 'tap'
import { injectText } from '../../src/injector/manifest/inject-text.ts'
import { templatesOf } from '../../src/injector/manifest/templates.ts'
import { uninjectText } from '../../src/injector/manifest/uninject-text.ts'
import { openDocument, splitDocuments } from '../../src/policy/document-edit.ts'
import { beginCase, below, pick, repeat, seconds, seed, some, Tally } from '../fixtures/fuzz.ts'
import { injectSettings, manifestNames, manifestText } from '../fixtures/manifests.ts'
import { injectedValue } from '../fixtures/patched.ts'

console.log(`seed ${seed}`)

type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value }

/** What each anchor of the present document stands for, as JSON. */
let anchors: string[] = []
const vectors = manifestNames().map(manifestText)

t.test(`manifests for ${seconds} s`, async (t) => {
  const end = performance.now() + seconds * 1000
  const tally = new Tally()
  const failures: string[] = []
  while (performance.now() < end && failures.length === 0) {
    const from = beginCase()
    const text = pick(generated, generated, damaged)()
    try {
      tally.add(outcomeOf(text))
    } catch (error) {
      failures.push(`seed ${from}: ${error instanceof Error ? error.stack : String(error)}\n${JSON.stringify(text)}`)
    }
  }
  t.same(failures, [])
  t.comment(tally.text)
  t.match(tally.text, /injected/)
})

/** What became of a text; throws when a promise is broken. */
function outcomeOf(text: string): string {
  const injected = injectText(text, injectSettings)
  if (!injected.ok) {
    const lines = text.split('\n').length
    for (const { line, column, message } of injected.faults) {
      if (!(line >= 1 && line <= lines && column >= 1) || message === '') throw new Error('a fault without a place')
    }
    return injected.faults[0]?.code ?? 'refused without a fault'
  }
  const touched = injected.templates.filter(({ outcome }) => outcome === 'injected')
  if (touched.length === 0) {
    if (injected.text !== text) throw new Error('nothing was injected, and the text has changed')
    return 'unchanged'
  }
  const twice = injectText(injected.text, injectSettings)
  if (!twice.ok || twice.text !== injected.text) throw new Error('twice is not once')
  const [before, after] = [valuesOf(text), valuesOf(injected.text)]
  for (const [index, value] of before.entries()) {
    const templates = templatesOf(value)
    const made = templatesOf(after[index])
    for (const [at, template] of templates.entries()) {
      const wanted = JSON.stringify(injectedValue(template.value, template.owner))
      const got = JSON.stringify(injectedValue(made[at]?.value, template.owner))
      if (sorted(wanted) !== sorted(got)) throw new Error(`the text says ${got}, and the patch ${wanted}`)
    }
  }
  const back = uninjectText(injected.text)
  if (!back.ok || back.text !== text) throw new Error('uninject does not give back the text')
  return 'injected'
}

/** Keys that are merged come in another order. */
function sorted(json: string): string {
  return JSON.stringify(JSON.parse(json), (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

function valuesOf(text: string): unknown[] {
  return splitDocuments(text).flatMap((piece) => {
    const opened = openDocument(piece)
    return opened !== undefined && 'value' in opened ? [opened.value] : []
  })
}

/** A vector with a few characters or lines moved, doubled or lost. */
function damaged(): string {
  let text = pick(...vectors)
  for (let count = 1 + below(3); count > 0; count -= 1) {
    const at = below(text.length)
    const to = Math.min(text.length, at + pick(1, 1, 2, 10, 80))
    const piece = pick(
      '',
      text.slice(at, to).repeat(2),
      pick(' ', '\n', '#', '{', ']', '&a ', '*a', ': ', '- ', '\t', '"', '---\n', '\u0000'),
    )
    text = text.slice(0, at) + piece + text.slice(to)
  }
  return text
}

function generated(): string {
  anchors = []
  const documents = Array.from({ length: 1 + below(3) }, () => document())
  const text = `${some(20, () => '---\n')}${documents.join('---\n')}`
  const ended = pick(text, text.trimEnd())
  return below(100) < 20 ? ended.replaceAll('\n', '\r\n') : ended
}

function document(): string {
  anchors = []
  const workload = { ...meta(), spec: { selector: {}, template: podTemplate() } }
  const value: Value = pick<() => Value>(
    () => ({ apiVersion: 'v1', kind: 'Pod', ...podTemplate(), ...(below(2) === 0 ? {} : meta()) }),
    () => ({ apiVersion: 'apps/v1', kind: 'Deployment', ...workload }),
    () => ({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      ...meta(),
      spec: { jobTemplate: { spec: { template: podTemplate() } } },
    }),
    () => ({
      apiVersion: 'v1',
      kind: 'List',
      items: Array.from({ length: 1 + below(3) }, () => ({ apiVersion: 'apps/v1', kind: 'StatefulSet', ...workload })),
    }),
    () => ({ apiVersion: 'v1', kind: 'ConfigMap', ...meta(), data: { a: 'b\nc\n', kind: 'Pod' } }),
  )()
  if (below(5) === 0)
    return `${JSON.stringify(value, undefined, pick<number | string | undefined>(undefined, 2, '\t'))}\n`
  return `${comment('')}${block(value, '')}`
}

function meta(): { [key: string]: Value } {
  return { metadata: { name: pick('a', 'cart'), labels: { app: pick('a', 'b c', '# d') } } }
}

function podTemplate(): { [key: string]: Value } {
  const probe: Value = pick<Value>(
    { httpGet: { path: pick('/', '/a?b=c', 'x y'), port: pick<Value>(8080, 'http') } },
    { tcpSocket: { port: 8080 }, periodSeconds: 2 },
    { grpc: { port: 8080 } },
    { exec: { command: ['true'] } },
  )
  const container = (name: string): Value => ({
    name,
    image: 'i:1',
    ports: [{ containerPort: 8080, name: 'http' }],
    ...(below(2) === 0 ? { livenessProbe: probe } : {}),
    ...(below(3) === 0 ? { readinessProbe: probe } : {}),
    ...(below(3) === 0 ? { env: pick<Value>([], null, [{ name: 'A', value: 'b' }]) } : {}),
  })
  const annotations = pick<Value>(null, {}, { a: 'b' }, { 'outrider.mesh/mode': 'explicit' })
  return {
    ...pick<{ [key: string]: Value }>(
      {},
      { metadata: null },
      { metadata: { annotations } },
      { metadata: { name: 'x', annotations } },
    ),
    spec: {
      ...pick<{ [key: string]: Value }>(
        {},
        { volumes: null },
        { volumes: [] },
        { volumes: [{ name: 'v', emptyDir: {} }] },
      ),
      containers: Array.from({ length: 1 + below(2) }, (_, index) => container(`c${index}`)),
      ...pick<{ [key: string]: Value }>({}, { initContainers: [] }, { initContainers: [container('init')] }),
    },
  }
}

function comment(pad: string): string {
  return repeat(1, () => pick('\n', `${pad}# note\n`, '# at the margin\n'))
}

function isComposite(value: Value): value is readonly Value[] | { readonly [key: string]: Value } {
  return typeof value === 'object' && value !== null
}

/** Lines of a value in block style, or in flow style where that falls to it. */
function block(value: Value, pad: string): string {
  if (!isComposite(value)) return `${scalar(value)}\n`
  const entries = Array.isArray(value) ? value.map((item: Value) => ['-', item] as const) : Object.entries(value)
  let text = ''
  for (const [key, item] of entries) {
    const label = key === '-' ? '-' : `${pick(key, key, `"${key}"`)}:`
    text += `${some(10, () => comment(pad))}${pad}${label}${member(key, item, pad)}`
  }
  return text
}

function member(key: string, item: Value, pad: string): string {
  const name = `a${anchors.length}`
  const spot = JSON.stringify(item)
  const known = anchors.findIndex((one) => one === spot)
  if (isComposite(item) && known >= 0 && below(2) === 0) return ` *a${known}\n`
  const anchor = isComposite(item) && below(8) === 0 ? ` &${name}` : ''
  const note = some(10, () => ' # note')
  const done = (text: string): string => {
    if (anchor !== '') anchors.push(spot)
    return text
  }
  const filled = isComposite(item) && Object.keys(item).length > 0
  // An anchor counts once it has been read: what is inside comes before it in `anchors`, so that it gets none there.
  if (!filled || below(6) === 0 || anchor !== '') return done(`${anchor} ${flow(item)}${note}\n`)
  const isList = Array.isArray(item)
  const inner = `${pad}${isList && key !== '-' ? pick('', '  ') : pick('  ', '    ')}`
  if (key === '-' && !isList && below(3) > 0) {
    const lines = block(item, `${pad}  `)
    // The first key on the line of its dash, when no comment has come before it.
    if (lines.startsWith(`${pad}  `) && !lines.startsWith(`${pad}  #`)) return ` ${lines.slice(pad.length + 2)}`
    return `\n${lines}`
  }
  return `${note}\n${block(item, inner)}`
}

function flow(value: Value): string {
  const space = pick('', ' ')
  if (Array.isArray(value))
    return `[${space}${value.map((item: Value) => flow(item)).join(`,${pick(' ', '  ')}`)}${space}]`
  if (!isComposite(value)) return scalar(value)
  const members = Object.entries(value).map(([key, item]) => `${pick(key, `'${key}'`)}: ${flow(item)}`)
  return `{${space}${members.join(', ')}${space}}`
}

function scalar(value: string | number | boolean | null): string {
  if (value === null) return pick('null', '~')
  if (typeof value !== 'string') return String(value)
  const plain = /^[A-Za-z/][\w./?=-]*$/.test(value) ? value : JSON.stringify(value)
  return pick(plain, JSON.stringify(value), value.includes('\n') ? plain : `'${value}'`)
}
