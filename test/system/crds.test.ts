// The CustomResourceDefinitions before a real API server: it takes them, takes all that our reader takes, and refuses of the rest what a
// schema can say.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fieldsOf, itemsOf, textOf } from '../../src/injector/pod.ts'
import { packageRoot } from '../../src/lib/package-root.ts'
import { resourceDefinitions } from '../../src/policy/crd/definition.ts'
import { pluralOf } from '../../src/policy/crd/names.ts'
import { apiVersion, type Kind } from '../../src/policy/model.ts'
import { MAX_LIST, validateResource } from '../../src/policy/validate.ts'
import { type Cluster, type ClusterAnswer, withApiServer } from '../fixtures/cluster.ts'
import { seed } from '../fixtures/fuzz.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { mutantOf, poolOf } from '../fixtures/resource-mutants.ts'
import { acceptedResources, refusedResources, type ResourceDocument } from '../fixtures/resources.ts'

checkLeaks(t)

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const MUTANTS = 1500

t.test('before a real API server', (t) => withApiServer(t, (cluster) => withCluster(t, cluster)))

async function withCluster(t: Test, cluster: Cluster): Promise<void> {
  const create = (kind: Kind, namespace: string, document: object, query = ''): Promise<ClusterAnswer> =>
    cluster.ask('POST', `/apis/${apiVersion}/namespaces/${namespace}/${pluralOf(kind)}${query}`, document)
  const attempt = ({ kind, namespace, document }: ResourceDocument): Promise<ClusterAnswer> =>
    create(kind, namespace, document, '?dryRun=All&fieldValidation=Strict')
  const accepted = acceptedResources()

  await t.test('it takes the definitions as they are in deploy/crds', async (t) => {
    const files = globSync('deploy/crds/*.yaml', { cwd: packageRoot }).filter((file) => !file.includes('kustomization'))
    for (const file of files) {
      const text = readFileSync(join(packageRoot, file), 'utf8')
      const { status, body } = await cluster.ask('POST', `${CRDS}?fieldValidation=Strict`, text)
      t.equal(status, 201, `${file}: ${textOf(body['message']) ?? 'taken'}`)
    }
    if (!t.passing()) return
    for (const { metadata, spec } of resourceDefinitions()) {
      const conditions = await established(cluster, metadata.name)
      t.equal(conditions.get('NamesAccepted'), 'True', metadata.name)
      t.notOk(conditions.has('NonStructuralSchema'), metadata.name)
      while ((await cluster.ask('GET', `/apis/${apiVersion}/${spec.names.plural}`)).status !== 200) await soon()
    }
    const { body } = await cluster.ask('GET', `/apis/${apiVersion}`)
    const osvc = itemsOf(body['resources']).find((one) => fieldsOf(one)['name'] === 'services')
    t.match(osvc, { kind: 'Service', namespaced: true, shortNames: ['osvc'], categories: ['outrider'] })
  })

  for (const name of new Set(accepted.map(({ namespace }) => namespace)))
    await cluster.ask('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })

  await t.test('it takes every resource that is valid, and leaves it as it was written', async (t) => {
    for (const resource of accepted) {
      const { status, body } = await attempt(resource)
      t.equal(status, 201, `${resource.source}: ${status === 201 ? 'taken' : textOf(body['message'])}`)
      t.strictSame(body['spec'], resource.document['spec'], 'nothing was added, nothing taken out')
    }
    t.comment(`${accepted.length} resources`)
  })

  await t.test('it refuses what a schema can say, and nothing that only the webhook can', async (t) => {
    const refused = refusedResources()
    const beyond: string[] = []
    for (const resource of refused) {
      const { status, body } = await attempt(resource)
      const wanted = resource.beyondSchema ? 201 : [400, 422]
      t.ok(
        [wanted].flat().includes(status),
        `${resource.kind} ${resource.source}: ${status} ${textOf(body['message'])}`,
      )
      if (status !== 201) continue
      beyond.push(resource.code)
      // As the webhook sees it: what is wrong must still be there.
      t.match(validateResource({ ...resource.document, spec: body['spec'] }), { ok: false }, resource.source)
    }
    console.log(
      `note: of ${refused.length} invalid resources the API server alone refuses ${refused.length - beyond.length}`,
    )
    console.log(`note: left to the webhook: ${[...new Set(beyond)].toSorted().join(', ')}`)
  })

  await t.test('it drops no mistake, whatever the client asks for', async (t) => {
    const spec = {
      action: 'ALLOW',
      rules: [{ form: [{ namespaces: ['a'] }], from: null, when: [{ cel: 'true', sin: [] }] }],
    }
    const document = { apiVersion, kind: 'AuthorizationPolicy', metadata: { name: 'slip' }, spec }
    for (const mode of ['Strict', 'Warn', 'Ignore']) {
      const { body } = await create('AuthorizationPolicy', 'default', document, `?dryRun=All&fieldValidation=${mode}`)
      t.strictSame(body['spec'], spec, mode)
    }
  })

  await t.test('the largest resources are within its budget', async (t) => {
    for (const resource of largest()) {
      t.match(validateResource(resource.document), { ok: true }, resource.source)
      const { status, body } = await attempt(resource)
      t.equal(status, 201, `${resource.source}: ${status === 201 ? 'taken' : textOf(body['message'])}`)
    }
  })

  await t.test('it refuses nothing that our reader takes, and hides nothing that it refuses', async (t) => {
    console.log(`note: seed ${seed}`)
    const pool = poolOf(accepted.map(({ document }) => document['spec']))
    const counts = { valid: 0, invalid: 0, alone: 0 }
    const wrong: string[] = []
    for (let index = 0; index < MUTANTS; index += 1) {
      const resource = accepted[index % accepted.length]!
      const document = { ...resource.document, spec: mutantOf(resource.document['spec'], pool) }
      const { ok } = validateResource(document)
      const { status, body } = await attempt({ ...resource, document })
      counts[ok ? 'valid' : 'invalid'] += 1
      if (!ok && status !== 201) counts.alone += 1
      const { ok: stored } = validateResource({ ...document, spec: body['spec'] })
      if (!ok && status === 201 && stored) wrong.push(`${JSON.stringify(document)} becomes valid`)
      if (ok && status !== 201) wrong.push(`${JSON.stringify(document)}: ${textOf(body['message'])}`)
    }
    t.strictSame(wrong, [])
    t.ok(counts.valid > MUTANTS / 20, 'enough of them are valid')
    console.log(`note: ${counts.valid} valid mutants; of ${counts.invalid} others it refuses ${counts.alone} alone`)
  })

  await t.test('status is written apart, and shown in columns', async (t) => {
    const path = `/apis/${apiVersion}/namespaces/default/workloads`
    const spec = { spiffeId: 'spiffe://a/ns/default/sa/web' }
    const made = await create('Workload', 'default', { apiVersion, kind: 'Workload', metadata: { name: 'web' }, spec })
    t.equal(made.status, 201)
    const server = { name: 'outrider-control-0', sidecars: 3, applied: 2, refused: 1 }
    const refusals = Array.from({ length: 8 }, (_, index) => ({ sidecar: `default/web-${index}`, message: 'no' }))
    const status = {
      observedGeneration: 1,
      sidecars: 3,
      applied: 2,
      refused: 1,
      servers: [{ ...server, refusals }],
      conditions: [
        {
          type: 'Accepted',
          status: 'False',
          lastTransitionTime: '2026-11-30T00:00:00Z',
          reason: 'reference-unknown',
          message: 'names a workload that is not there',
        },
      ],
    }
    const spoilt = { ...made.body, spec: { spiffeId: 'spiffe://other' }, status }
    const written = await cluster.ask('PUT', `${path}/web/status?fieldValidation=Strict`, spoilt)
    t.equal(written.status, 200, textOf(written.body['message']) ?? 'taken')
    t.strictSame(written.body['spec'], spec, 'the spec is not written with the status')
    t.strictSame(written.body['status'], status)
    const many = { ...status, servers: [{ ...server, refusals: [...refusals, refusals[0]] }] }
    const tooMany = await cluster.ask('PUT', `${path}/web/status`, { ...written.body, status: many })
    t.match(tooMany, { status: 422, body: { message: /status\.servers\[0\]\.refusals.*at most 8/ } })

    const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }
    const { body } = await cluster.ask('GET', path, undefined, table)
    const columns = itemsOf(body['columnDefinitions']).map((column) => fieldsOf(column))
    const [row] = itemsOf(body['rows']).map((one) => itemsOf(fieldsOf(one)['cells']))
    const shown = Object.fromEntries(columns.map(({ name }, index) => [String(name), row?.[index]]))
    t.match(shown, {
      Name: 'web',
      'SPIFFE ID': 'spiffe://a/ns/default/sa/web',
      Accepted: 'False',
      Applied: 2,
      Sidecars: 3,
      Refused: 1,
      Reason: 'reference-unknown',
      Age: /^\d+[smh]/,
    })
    t.strictSame(
      columns.filter(({ priority }) => priority !== 0).map(({ name }) => name),
      ['Refused', 'Reason'],
      'with -o wide only',
    )
  })
}

/** Waits until it is there to be used; gives its conditions. */
async function established(cluster: Cluster, name: string): Promise<ReadonlyMap<unknown, unknown>> {
  for (;;) {
    const { body } = await cluster.ask('GET', `${CRDS}/${name}`)
    const conditions = itemsOf(fieldsOf(body['status'])['conditions']).map((condition) => fieldsOf(condition))
    const states = new Map(conditions.map(({ type, status }) => [type, status]))
    if (states.get('Established') === 'True') return states
    await soon()
  }
}

async function soon(): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, 50)
  })
}

/** Resources that make the rules of their kind work the hardest. */
function largest(): ResourceDocument[] {
  const all = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => make(index))
  const big = (kind: Kind, name: string, spec: object): ResourceDocument => ({
    source: `${kind} ${name}`,
    kind,
    namespace: 'default',
    document: { apiVersion, kind, metadata: { name }, spec },
  })
  const endpoint = (index: number, appPort: number): object => ({ address: `h${index}`, port: 1, appPort })
  const service = (ports: number, endpoints: number): object => ({
    hosts: all(MAX_LIST, (index) => `h${index}.example.org`),
    ports: all(ports, (index) => ({ port: index + 1, targetPort: index + 1001 })),
    workloads: all(MAX_LIST, (index) => `w${index}`),
    endpoints: all(endpoints, (index) => endpoint(index, 1000 + ports)),
  })
  const window = { notBefore: '2027-01-01T00:00:00Z', notAfter: '2028-01-01T00:00:00Z', reason: 'r', approver: 'a' }
  const time = { header: 'x', values: ['a'] }
  const issuer = `https://id.example.com/${'a'.repeat(1900)}`
  const from = [{ header: 'a' }, { cookie: 'b' }, { query: 'c' }]
  return [
    big('Service', 'all', service(MAX_LIST, MAX_LIST)),
    big('Service', 'pairs', service(100, 100)),
    big('Service', 'ports', service(64, 156)),
    big('Service', 'one-target', {
      ports: all(64, (index) => ({ port: index + 1, targetPort: 80 })),
      workloads: ['w'],
      endpoints: all(156, (index) => ({ address: `h${index}`, port: 1 })),
    }),
    big('AuthorizationPolicy', 'rules', {
      ...window,
      action: 'ALLOW',
      rules: all(MAX_LIST, (index) => ({ name: `r${index}`, when: all(20, () => time) })),
    }),
    big('AuthorizationPolicy', 'names', {
      action: 'ALLOW',
      rules: all(64, (index) => ({ name: `${'r'.repeat(60)}${index}` })),
    }),
    big('AuthorizationPolicy', 'when', {
      action: 'ALLOW',
      rules: all(8, () => ({ when: all(MAX_LIST, () => ({ time: { from: '10:00', to: '11:00' } })) })),
    }),
    big('RateLimit', 'limits', {
      limits: all(MAX_LIST, (index) => ({ name: `l${index}`, key: 'all', requests: 1, per: '1h1m1s1ms' })),
    }),
    big('RateLimit', 'names', {
      limits: all(64, (index) => ({ name: `${'l'.repeat(60)}${index}`, key: 'all', requests: 1, per: '1d' })),
    }),
    big('RequestAuthentication', 'issuers', {
      jwt: all(32, (index) => ({ issuer: `${issuer}${index}`, audiences: ['a'], jwksUri: 'https://i/', from })),
      introspection: all(32, (index) => ({
        endpoint: `${issuer}${index}`,
        issuer: `${index}`,
        clientId: 'c',
        clientSecret: 's',
        from,
      })),
    }),
    big('ApiKey', 'secrets', {
      owner: 'o',
      secrets: all(4, (index) => ({
        id: `abcdefg${index}`,
        salt: 'A'.repeat(86),
        hash: 'a'.repeat(64),
        createdAt: '2027-01-01T00:00:00Z',
      })),
    }),
    big('Workload', 'names', {
      spiffeId: `spiffe://a/${'x'.repeat(2037)}`,
      dnsNames: all(16, (index) => `${'a.'.repeat(120)}h${index}`),
      ttl: '1s'.repeat(1024),
    }),
    big('Revocation', 'identities', { spiffeIds: all(MAX_LIST, (index) => `spiffe://a/${'x'.repeat(2000)}${index}`) }),
    big('ExternalAuthorization', 'operations', {
      address: 'authz:9000',
      spiffeId: 'spiffe://a/b',
      to: all(MAX_LIST, () => ({ paths: all(20, (index) => `/p${index}`) })),
    }),
  ]
}
