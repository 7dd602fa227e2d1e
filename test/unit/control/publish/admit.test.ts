import { join } from 'node:path'
import t, { type Test } from 'tap'
import { admit, admitDeletion, type Refused } from '../../../../src/control/publish/admit.ts'
import { Catalogue } from '../../../../src/control/publish/catalogue.ts'
import { commit } from '../../../../src/control/publish/commit.ts'
import type { Mesh } from '../../../../src/control/publish/mesh.ts'
import { openSqliteStore } from '../../../../src/control/store/sqlite.ts'
import { parseTrustDomain } from '../../../../src/identity/spiffe-id.ts'
import { TestClock } from '../../../fixtures/clock.ts'
import { allow, document, service, temporaryFolder, TRUST_DOMAIN, workload } from '../../../fixtures/control.ts'

function id(path: string, domain = TRUST_DOMAIN): object {
  return { spiffeId: `spiffe://${domain}${path}` }
}

function setUp(
  t: Test,
  maxResources = 100,
): { mesh: Mesh; apply: (...documents: readonly object[]) => readonly string[] } {
  const store = openSqliteStore(join(temporaryFolder(t), 'outrider.db'))
  t.teardown(() => store.close())
  const catalogue = new Catalogue()
  store.watch(({ changes }) => catalogue.follow(changes))
  const limits = { trustDomain: parseTrustDomain(TRUST_DOMAIN), maxResources }
  const mesh: Mesh = { store, catalogue, limits, clock: new TestClock(), endpointsOf: () => [] }
  return {
    mesh,
    /** Applies, and gives what is wrong. */
    apply: (...documents) => {
      const result = admit(
        documents.map((value) => JSON.stringify(value)),
        mesh,
      )
      if (result.kind === 'refused') return said(result)
      commit(result.changes, mesh)
      return []
    },
  }
}

function said({ violations }: Refused): string[] {
  return violations.map(({ document, field, code }) => `${document} ${field} ${code}`)
}

t.test('what is not valid is refused with every violation, document by document', async (t) => {
  const { mesh, apply } = setUp(t)
  t.same(
    apply(workload('web'), workload('api', { spiffeId: 'x' }), service('web', { ports: [] })).map((line) => line[0]),
    ['1', '2'],
  )
  t.equal(mesh.store.revision, 0)
  const result = admit(['{', '1', '{}'], mesh)
  t.equal(result.kind === 'refused' ? result.violations.length : 0, 3)
})

t.test('a resource names only what exists, before or in the same call', async (t) => {
  const { apply } = setUp(t)
  t.same(apply(service('web')), ['0 spec.workloads[0] reference-not-found'])
  t.same(apply(allow('all', { workloads: ['nobody'] })), ['0 spec.workloads[0] reference-not-found'])
  t.same(apply(service('web'), workload('web')), [], 'in any order')
  t.same(apply(service('web', { workloads: ['web', 'other/web'] })), ['0 spec.workloads[1] reference-not-found'])
})

t.test('an identity belongs to one workload of this trust domain', async (t) => {
  const { apply } = setUp(t)
  t.same(apply(workload('a', { ...id('/x') })), [])
  t.same(apply(workload('b', { ...id('/x') })), ['0 spec.spiffeId duplicate-spiffe-id'])
  t.same(apply(workload('c', { ...id('/y') }), workload('d', { ...id('/y') })), [
    '0 spec.spiffeId duplicate-spiffe-id',
    '1 spec.spiffeId duplicate-spiffe-id',
  ])
  t.same(apply(workload('a', { ...id('/z') }), workload('b', { ...id('/x') })), [], 'handed over in one call')
  t.same(apply(workload('e', { ...id('/x', 'other.local') })), ['0 spec.spiffeId foreign-trust-domain'])
  t.same(apply(workload('e', { ...id('/outrider/control') })), ['0 spec.spiffeId reserved-spiffe-id'])
  t.same(apply(workload('e', { ...id('/outrider') })), ['0 spec.spiffeId reserved-spiffe-id'])
  t.same(apply(workload('e', { ...id('/outriders') })), [])
})

t.test('one MeshConfig holds for the mesh, whatever its name', async (t) => {
  const { apply } = setUp(t)
  const config = (name: string, outbound: string): object => ({
    apiVersion: 'outrider.mesh/v1',
    kind: 'MeshConfig',
    metadata: { name },
    spec: { outbound },
  })
  t.same(apply(config('mesh', 'allow')), [])
  t.same(apply(config('mesh', 'deny')), [], 'changed')
  t.same(apply(config('other', 'allow')), ['0 kind duplicate-mesh-config'])
  const fresh = setUp(t)
  t.same(fresh.apply(config('a', 'deny'), config('b', 'deny')), [
    '0 kind duplicate-mesh-config',
    '1 kind duplicate-mesh-config',
  ])
})

t.test('an address belongs to one service', async (t) => {
  const { apply } = setUp(t)
  const at = { addresses: ['10.96.0.10'] }
  t.same(apply(workload('web'), service('web', at)), [])
  t.same(apply(service('zeta', { ...at, workloads: ['web'] })), ['0 spec.addresses[0] address-conflict'])
})

t.test('a document is given once, and what changes nothing is not stored', async (t) => {
  const { mesh, apply } = setUp(t)
  t.same(apply(workload('web'), workload('web')), ['1 metadata.name duplicate-resource'])
  apply(workload('web'))
  const again = admit([JSON.stringify(workload('web')), JSON.stringify(workload('api'))], mesh)
  t.match(again, {
    kind: 'admitted',
    outcomes: [{ change: 'unchanged' }, { change: 'created' }],
  })
  t.equal(again.kind === 'admitted' ? again.changes.length : 0, 1)
  t.match(admit([JSON.stringify(workload('web', { ttl: '1h' }))], mesh), { outcomes: [{ change: 'configured' }] })
})

t.test('what would not compile in a sidecar is refused, though each document is valid', async (t) => {
  const { apply } = setUp(t)
  t.same(apply(workload('web'), workload('client'), service('web', { hosts: ['shop.example.org'] })), [])
  const clash = apply(service('shop', { hosts: ['shop.example.org'], workloads: ['web'] }))
  t.equal(clash.length, 1, 'two services with one host, seen by one workload')
})

t.test('bounds are told by name', async (t) => {
  const { mesh, apply } = setUp(t, 2)
  apply(workload('a'), workload('b'))
  t.throws(() => apply(workload('c')), { code: 'too-many-resources', message: /limit is 2/ })
  t.same(apply(workload('a', { ttl: '1h' })), [], 'a change of what is there')
  t.throws(
    () =>
      admit(
        Array.from({ length: 1001 }, () => '{}'),
        mesh,
      ),
    { code: 'too-many-documents' },
  )
  t.throws(() => admit(['x'.repeat(4 * 1024 * 1024 + 1)], mesh), { code: 'documents-too-large' })
})

t.test('a refused proposal leaves the catalogue as it was', async (t) => {
  const { mesh, apply } = setUp(t)
  apply(workload('web'), service('web'), allow('all'))
  const web = mesh.catalogue.workload({ namespace: 'default', name: 'web' })!
  const before = { governing: mesh.catalogue.governing(web.metadata), upstreams: mesh.catalogue.upstreams(web) }
  apply(workload('web', { spiffeId: 'spiffe://test.local/other' }), service('web', { workloads: ['nobody'] }))
  t.equal(mesh.catalogue.workloadOf(web.spec.spiffeId), web)
  t.same({ governing: mesh.catalogue.governing(web.metadata), upstreams: mesh.catalogue.upstreams(web) }, before)
  t.equal(mesh.catalogue.size, 3)
})

t.test('a workload that is named cannot be taken away', async (t) => {
  const { mesh, apply } = setUp(t)
  const limit = document('RateLimit', 'slow', {
    workloads: ['web'],
    limits: [{ name: 'x', key: 'all', requests: 1, per: '1s' }],
  })
  apply(workload('web'), workload('free'), service('web'), allow('all'), limit)
  t.throws(() => admitDeletion({ kind: 'Workload', namespace: 'default', name: 'web' }, mesh), {
    code: 'resource-in-use',
    message: /Service default\/web, RateLimit default\/slow/,
  })
  admitDeletion({ kind: 'Workload', namespace: 'default', name: 'free' }, mesh)
  admitDeletion({ kind: 'Service', namespace: 'default', name: 'web' }, mesh)
})

t.test('services are published anew when a workload behind them changes', async (t) => {
  const { mesh, apply } = setUp(t)
  apply(workload('web'), service('web'))
  apply(workload('web', { spiffeId: 'spiffe://test.local/other' }))
  const stored = mesh.store.get({ kind: 'Service', namespace: 'default', name: 'web' })
  t.match(stored, { revision: 1 })
})
