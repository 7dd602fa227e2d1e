import * as fc from 'fast-check'
import t from 'tap'
import { parseSpiffeId } from '../../../../src/identity/spiffe-id.ts'
import { matchesPath, parsePath } from '../../../../src/policy/match/path.ts'
import { parseDocuments } from '../../../../src/policy/document.ts'
import { type RecordedRequest, Replayer } from '../../../../src/policy/replay/replayer.ts'
import { readResourceSet, type ResourceSet, type SourceDocument } from '../../../../src/policy/resource-set.ts'
import { Observations } from '../../../../src/policy/suggest/observations.ts'
import { suggestPolicies } from '../../../../src/policy/suggest/suggest.ts'
import { idShape, PathTemplates } from '../../../../src/policy/suggest/templates.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)

function templates(minSupport: number, ...paths: readonly string[]): readonly string[] {
  const list = new PathTemplates(minSupport)
  for (const path of paths) list.add(path, 'GET', 0)
  return list.list().map(({ path }) => path)
}

t.test('what looks like an ID', async (t) => {
  const ids = [
    '7',
    '12345678901234567890',
    '0b5c9b1e-95b5-4a3e-9d0e-7a0c3f2b1d4e',
    'DEADBEEF00112233',
    'a'.repeat(15) + '1',
    '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  ]
  for (const id of ids) t.ok(idShape(id), id)
  for (const word of ['', 'items', 'v1', 'deadbeefdeadbeef', '1a', 'a-b', '7.json']) t.notOk(idShape(word), word)
})

t.test('IDs become a star where there are enough of them in one place', async (t) => {
  t.same(templates(3, '/o/1', '/o/2'), ['/o/1', '/o/2'])
  t.same(templates(3, '/o/1', '/o/2', '/o/3', '/o/open', '/o'), ['/o', '/o/open', '/o/{*}'])
  t.same(templates(2, '/o/1/a', '/o/2/b'), ['/o/{*}/a', '/o/{*}/b'], 'what is below is put together')
  t.same(templates(2, '/o/1/l/8', '/o/2/l/9'), ['/o/{*}/l/{*}'], 'also where that makes enough')
  t.same(templates(2, '/1', '/2', '/x/1'), ['/x/1', '/{*}'], 'each place for itself')
  t.same(templates(2, '/o/1', '/o/deadbeef00112233'), ['/o/1', '/o/deadbeef00112233'], 'of one shape')
  t.same(templates(2, '/o/1/', '/o/2/'), ['/o/{*}/'])
})

t.test('every path that was added is matched by a template, and each template by a path', async () => {
  const segment = fc.constantFrom('a', 'b', '1', '2', '3', '')
  const path = fc
    .array(segment, { minLength: 1, maxLength: 4 })
    .map((parts) => `/${parts.join('/')}`.replaceAll(/\/+/g, '/'))
  fc.assert(
    fc.property(fc.array(path, { minLength: 1, maxLength: 12 }), (paths) => {
      const patterns = templates(2, ...paths).map(parsePath)
      return (
        paths.every((path) => patterns.some((pattern) => matchesPath(pattern, path))) &&
        patterns.every((pattern) => pattern.kind !== 'exact' || paths.some((path) => matchesPath(pattern, path)))
      )
    }),
    { seed, numRuns: 3000 },
  )
})

const ids = ['web', 'batch', 'api'].map((name) => parseSpiffeId(`spiffe://example.org/ns/shop/sa/${name}`))
const workloads: readonly SourceDocument[] = ids.map((spiffeId, index) => ({
  file: 'set.yaml',
  document: {
    value: {
      apiVersion: 'outrider.mesh/v1',
      kind: 'Workload',
      metadata: { name: ['web', 'batch', 'api'][index], namespace: 'shop' },
      spec: { spiffeId },
    },
    locate: () => ({ line: 1, column: 1 }),
  },
}))

function withSuggestion(text: string): ResourceSet {
  const { documents, errors } = parseDocuments(text, 'suggested.yaml')
  if (errors.length > 0) throw new Error(JSON.stringify(errors))
  const { set, violations } = readResourceSet([
    ...workloads,
    ...documents.map((document) => ({ file: 'suggested.yaml', document })),
  ])
  if (violations.length > 0) throw new Error(JSON.stringify(violations))
  return set
}

const record: fc.Arbitrary<RecordedRequest> = fc
  .record(
    {
      caller: fc.constantFrom(ids[0], ids[1], undefined),
      workload: fc.constantFrom(ids[1]!, ids[2]!),
      method: fc.constantFrom('GET', 'POST', undefined),
      path: fc.constantFrom('/', '/a', '/a/1', '/a/2', '/a/3', '/a/4/x', '/b*', '/"\\\n', '/ü', '*'),
      port: fc.constantFrom(80, 81),
      user: fc.constantFrom(undefined, 'https://i/', 'owner: "x"'),
      decided: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
      status: fc.constantFrom(200, 204, 404, 0),
    },
    { noNullPrototype: true },
  )
  .map(({ caller, workload, method, path, port, user, decided, status }) => ({
    workload,
    decided,
    status,
    rule: undefined,
    requestId: 'r',
    request: {
      principal: caller === undefined ? { kind: 'anonymous', why: 'plaintext-port' } : { kind: 'peer', id: caller },
      method,
      path: method === undefined ? undefined : path,
      port,
      headers: method === undefined ? undefined : [],
      user:
        user === undefined || method === undefined
          ? { tokens: [], apiKey: undefined }
          : user.startsWith('https:')
            ? {
                tokens: [{ issuer: user, subject: undefined, claims: { iss: user }, expiresAtMs: 1e15 }],
                apiKey: undefined,
              }
            : { tokens: [], apiKey: { id: 'k', owner: user, scopes: [], expiresAtMs: 1e15 } },
      nowMs: 1000,
    },
    unrecorded: {
      host: false,
      address: false,
      sni: false,
      user: false,
      claims: false,
      headers: method === undefined ? undefined : new Set<string>(),
    },
  }))

t.test('a suggestion allows all that went well, and denies who and what was not seen', async (t) => {
  let allowed = 0
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 15 }), record, (records, other) => {
      const observations = new Observations(3)
      for (const one of records) observations.add(one)
      const text = suggestPolicies(observations, readResourceSet(workloads).set)
      const replayer = new Replayer(withSuggestion(text))
      const took = (one: RecordedRequest): boolean => {
        const probe = new Observations(3)
        probe.add(one)
        return probe.taken === 1
      }
      for (const one of records) {
        if (!took(one)) continue
        allowed += 1
        if (replayer.decide(one).outcome !== 'allow') return false
      }
      const { principal, method, path, port } = other.request
      // Nobody did anything like it: neither this caller, nor on this port, nor with this method, nor on this path but for its IDs.
      const like = records.some(
        ({ workload, request }) =>
          workload === other.workload &&
          request.port === port &&
          JSON.stringify(request.principal) === JSON.stringify(principal) &&
          (request.method === undefined ||
            (request.method === method && request.path?.replaceAll(/\d/g, '1') === path?.replaceAll(/\d/g, '1'))),
      )
      return like || replayer.decide(other).outcome === 'deny'
    }),
    { seed, numRuns: 2000 },
  )
  t.ok(allowed > 1000, `${allowed} allowed`)
})

t.test('what is held is bounded', async (t) => {
  const observations = new Observations(3, 5)
  const at = (path: string): RecordedRequest => ({
    ...fc.sample(record, { numRuns: 1, seed: 1 })[0]!,
    decided: 'allow',
    status: 200,
    request: { principal: { kind: 'peer', id: ids[0]! }, method: 'GET', path, port: 80, nowMs: 1 },
  })
  for (let index = 0; index < 5; index += 1) observations.add(at(`/p${index}`))
  observations.add(at('/p0'))
  t.throws(() => observations.add(at('/p5')), { code: 'log-too-varied', message: /more than 5 different paths/ })
})
