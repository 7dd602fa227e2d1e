import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RE2JS } from 're2js'
import t from 'tap'
import { fieldsOf, itemsOf } from '../../../src/injector/pod.ts'
import { packageRoot } from '../../../src/lib/package-root.ts'
import { resourceDefinitions } from '../../../src/policy/crd/definition.ts'
import { kindNames, pluralOf } from '../../../src/policy/crd/names.ts'
import { MAX_REFUSALS, resourceStatus } from '../../../src/policy/crd/status.ts'
import { parseDocuments } from '../../../src/policy/document.ts'
import { kinds } from '../../../src/policy/model.ts'
import type { StructuralSchema } from '../../../src/policy/structural-schema.ts'
import { documentSchema, validateResource } from '../../../src/policy/validate.ts'
import { outrider } from '../../fixtures/command-line.ts'
import { acceptedResources, refusedResources } from '../../fixtures/resources.ts'

/** A schema and all within it, with their paths. */
function* within(schema: StructuralSchema, path = ''): Generator<readonly [path: string, schema: StructuralSchema]> {
  yield [path, schema]
  for (const [name, property] of Object.entries(schema.properties ?? {})) yield* within(property, `${path}.${name}`)
  if (schema.items !== undefined) yield* within(schema.items, `${path}[]`)
}

const definitions = resourceDefinitions()
const schemas = definitions.flatMap(({ spec }) =>
  spec.versions.flatMap(({ schema }) => Array.from(within(schema.openAPIV3Schema, spec.names.kind))),
)

t.test('the reader takes every vector that is valid, and says what is wrong with every other', async (t) => {
  const accepted = acceptedResources()
  for (const { source, document } of accepted)
    t.match(validateResource(document), { ok: true }, source.replaceAll('"', ''))
  t.strictSame([...new Set(accepted.map(({ kind }) => kind))].toSorted(), kinds)
  const refused = refusedResources()
  for (const { source, document, code } of refused)
    t.match(validateResource(document), { ok: false, violations: [{ code }] }, source)
  t.strictSame([...new Set(refused.map(({ kind }) => kind))].toSorted(), kinds)
})

t.test('the vectors of what is valid have every field that the schemas know', async (t) => {
  const used = new Set<string>()
  const note = (value: unknown, path: string): void => {
    used.add(path)
    for (const item of itemsOf(value)) note(item, `${path}[]`)
    for (const [name, part] of Object.entries(fieldsOf(value))) note(part, `${path}.${name}`)
  }
  for (const { kind, document } of acceptedResources()) note(document['spec'], `${kind}.spec`)
  // Operations are the same everywhere: those of an AuthorizationPolicy count.
  const known = schemas
    .map(([path]) => path)
    .filter((path) => /^\w+\.spec\b/.test(path) && !/^(?:RateLimit|ExternalAuthorization)\b.*\.to\[\]/.test(path))
  t.ok(known.length > 100, `${known.length} fields`)
  t.strictSame(
    known.filter((path) => !used.has(path)),
    [],
  )
})

t.test('patterns are RE2', async (t) => {
  const patterns = new Set(schemas.flatMap(([, { pattern }]) => pattern ?? []))
  t.ok(patterns.size > 15)
  for (const pattern of patterns) t.doesNotThrow(() => RE2JS.compile(pattern), pattern)
})

t.test('nothing is without bounds, and nothing is filled in', async (t) => {
  for (const [path, schema] of schemas) {
    if (/\.(?:apiVersion|kind)$/.test(path)) continue
    const { type, enum: values, maxLength, maxItems, minimum, maximum, properties } = schema
    if (type === 'string') t.ok(values !== undefined || maxLength !== undefined, path)
    if (type === 'array') t.ok(maxItems !== undefined && schema.items !== undefined, path)
    if (type === 'integer') t.ok(minimum !== undefined && maximum !== undefined, path)
    if (type === 'object')
      t.ok(properties !== undefined || schema['x-kubernetes-preserve-unknown-fields'] === true, path)
    t.notOk('default' in schema, path)
  }
})

t.test('the patterns of SPIFFE IDs say what the standard says', async (t) => {
  const { properties: { spec } = {} } = documentSchema('Workload')
  const { pattern = '', maxLength = 0 } = spec?.properties?.['spiffeId'] ?? {}
  const form = RE2JS.compile(pattern)
  const lines = (name: string): string[] =>
    readFileSync(join(packageRoot, 'test/vectors', name), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
  let checked = 0
  for (const id of lines('spiffe-id-valid.txt')) {
    t.ok(form.matcher(id).find() && id.length <= maxLength, id)
    checked += 1
  }
  for (const line of lines('spiffe-id-invalid.txt')) {
    const id = line.slice(line.indexOf(' ') + 1)
    t.notOk(form.matcher(id).find() && id.length <= maxLength, line)
    checked += 1
  }
  t.ok(checked >= 30)
})

t.test('names', async (t) => {
  t.equal(pluralOf('AuthorizationPolicy'), 'authorizationpolicies')
  t.equal(pluralOf('ApiKey'), 'apikeys')
  const names = kinds.flatMap((kind) => [pluralOf(kind), kind.toLowerCase(), kindNames[kind].short])
  t.equal(new Set(names).size, names.length, 'none means two kinds')
  const page = readFileSync(join(packageRoot, 'docs/reference/resources.md'), 'utf8')
  for (const kind of kinds) {
    const { short, says } = kindNames[kind]
    t.ok(page.includes(`| [\`${kind}\`](#${kind.toLowerCase()}) | \`${short}\` | ${says} |`), kind)
  }
})

t.test('outrider crds prints what deploy/crds has', async (t) => {
  const yaml = await outrider(['crds'])
  t.equal(yaml.code, 0)
  const { documents, errors } = parseDocuments(yaml.stdout, 'crds')
  t.strictSame(errors, [])
  const plain: unknown = JSON.parse(JSON.stringify(definitions))
  t.strictSame(
    documents.map(({ value }) => value),
    plain,
  )
  const json = await outrider(['crds', '-o', 'json'])
  t.strictSame(JSON.parse(json.stdout), { apiVersion: 'v1', kind: 'List', items: plain })
  t.match(await outrider(['crds', 'Workload']), { code: 2, stderr: /takes no arguments/ })
  const files = globSync('deploy/crds/*.yaml', { cwd: packageRoot }).map((file) => file.replace(/^deploy\/crds\//, ''))
  const expected = [...definitions.map(({ spec }) => `${spec.names.plural}.yaml`), 'kustomization.yaml']
  t.strictSame(files.toSorted(), expected.toSorted(), 'no file is of a kind that is gone')
})

t.test('the status is read as the schema has it', async (t) => {
  const read = (value: unknown): unknown => {
    const codes: string[] = []
    const status = resourceStatus(value, '', ({ field, code }) => void codes.push(`${field} ${code}`))
    return status ?? codes
  }
  const server = { name: 'outrider-control-0', sidecars: 2, applied: 1, refused: 1 }
  const refusal = { sidecar: 'shop/web', message: 'no' }
  const condition = {
    type: 'Accepted',
    status: 'False',
    lastTransitionTime: '2026-11-30T00:00:00Z',
    reason: 'reference-unknown',
    message: 'names a workload that is not there',
  }
  const whole = {
    observedGeneration: 3,
    sidecars: 2,
    applied: 1,
    refused: 1,
    servers: [{ ...server, refusals: [refusal] }],
    conditions: [condition],
  }
  t.match(read(whole), { ...whole, conditions: [{ ...condition, lastTransitionTime: Date.parse('2026-11-30') }] })
  t.strictSame(read({}), {})
  const refusals = Array.from({ length: MAX_REFUSALS + 1 }, () => refusal)
  t.strictSame(read({ servers: [{ ...server, refusals }] }), ['servers[0].refusals list-too-long'])
  t.strictSame(read({ conditions: [condition, condition] }), ['conditions[1] duplicate'])
})
