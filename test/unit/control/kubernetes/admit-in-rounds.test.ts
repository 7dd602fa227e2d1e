import { join } from 'node:path'
import t, { type Test } from 'tap'
import { admitInRounds, type Candidate } from '../../../../src/control/kubernetes/admit-in-rounds.ts'
import { admitResources } from '../../../../src/control/publish/admit.ts'
import { Catalogue } from '../../../../src/control/publish/catalogue.ts'
import { commit } from '../../../../src/control/publish/commit.ts'
import type { Mesh } from '../../../../src/control/publish/mesh.ts'
import { openSqliteStore } from '../../../../src/control/store/sqlite.ts'
import { parseTrustDomain } from '../../../../src/identity/spiffe-id.ts'
import { nameOf, type ResourceName, resourceKey } from '../../../../src/policy/model.ts'
import { validateResource } from '../../../../src/policy/validate.ts'
import { TestClock } from '../../../fixtures/clock.ts'
import { allow, document, service, temporaryFolder, TRUST_DOMAIN, workload } from '../../../fixtures/control.ts'
import { below, pick, seed } from '../../../fixtures/fuzz.ts'

interface Setting {
  readonly mesh: Mesh
  /** How many resources each commit changed. */
  readonly commits: number[]
  /** Gives what is held back, with why. */
  readonly rounds: (
    documents: readonly object[],
    deletions?: readonly ResourceName[],
  ) => Promise<Record<string, string>>
  readonly stored: () => readonly string[]
}

function setUp(t: Test, maxResources = 10_000): Setting {
  const store = openSqliteStore(join(temporaryFolder(t), 'outrider.db'))
  t.teardown(() => store.close())
  const catalogue = new Catalogue()
  store.watch(({ changes }) => catalogue.follow(changes))
  const limits = { trustDomain: parseTrustDomain(TRUST_DOMAIN), maxResources }
  const mesh: Mesh = { store, catalogue, limits, clock: new TestClock(), endpointsOf: () => [] }
  const commits: number[] = []
  return {
    mesh,
    commits,
    rounds: async (documents, deletions = []) => {
      const held = await admitInRounds(documents.map(candidate), deletions, mesh, (changes) => {
        commits.push(changes.length)
        commit(changes, mesh)
      })
      return Object.fromEntries([...held].map(([key, { code }]) => [key, code]))
    },
    stored: () => store.list().map(({ resource }) => resourceKey(nameOf(resource))),
  }
}

function candidate(value: object): Candidate {
  const read = validateResource(value)
  if (!read.ok) throw new Error(JSON.stringify(read.violations))
  return { name: nameOf(read.resource), resource: read.resource, text: JSON.stringify(value) }
}

function deletion(key: string): ResourceName {
  const [kind = '', namespace = '', name = ''] = key.split('/')
  if (kind !== 'Workload' && kind !== 'Service') throw new Error(kind)
  return { kind, namespace, name }
}

t.test('what is right goes through in one step, in whatever order it came', async (t) => {
  const { rounds, commits, stored } = setUp(t)
  t.same(await rounds([allow('all', { workloads: ['web'] }), service('web'), workload('web')]), {})
  t.same(commits, [3])
  t.same(stored(), ['AuthorizationPolicy/default/all', 'Service/default/web', 'Workload/default/web'])
  t.same(await rounds([workload('web')]), {}, 'and what is there already is no change')
  t.same(commits, [3])
})

t.test('what is at fault holds nobody else up, and says why', async (t) => {
  const { rounds, stored } = setUp(t)
  const held = await rounds([
    workload('web'),
    workload('twin', { spiffeId: `spiffe://${TRUST_DOMAIN}/ns/default/sa/web` }),
    workload('foreign', { spiffeId: 'spiffe://elsewhere/x' }),
    service('web', { workloads: ['nobody'] }),
    allow('good', { workloads: ['web'] }),
    allow('bad', { workloads: ['twin'] }),
  ])
  t.same(held, {
    'Service/default/web': 'reference-not-found',
    'AuthorizationPolicy/default/good': 'reference-not-found',
    'Workload/default/foreign': 'foreign-trust-domain',
    // Of two with one identity the first by name.
    'Workload/default/web': 'duplicate-spiffe-id',
  })
  t.same(stored(), ['AuthorizationPolicy/default/bad', 'Workload/default/twin'])
})

t.test('deletions happen with what takes their place, or without', async (t) => {
  const { rounds, commits, stored } = setUp(t)
  await rounds([workload('web'), service('web')])
  commits.length = 0
  const heir = workload('heir', { spiffeId: `spiffe://${TRUST_DOMAIN}/ns/default/sa/web` })
  t.same(await rounds([heir, service('web', { workloads: ['heir'] })], [deletion('Workload/default/web')]), {})
  t.same(commits, [3], 'in one step: the identity is never without a workload')
  t.same(stored(), ['Service/default/web', 'Workload/default/heir'])
  commits.length = 0
  t.same(await rounds([service('web', { workloads: ['nobody'] })], [deletion('Workload/default/heir')]), {
    'Service/default/web': 'reference-not-found',
  })
  t.same(commits, [1], 'whatever becomes of the others, and whoever names it')
  t.same(stored(), ['Service/default/web'])
})

t.test('a store that is full takes as many as there is room for', async (t) => {
  const { rounds, stored } = setUp(t, 10)
  const held = await rounds(Array.from({ length: 15 }, (_, index) => workload(`w-${10 + index}`)))
  t.equal(stored().length, 10)
  t.same(new Set(Object.values(held)), new Set(['too-many-resources']))
  t.equal(Object.keys(held).length, 5)
})

t.test('more than one call of an operator may hold', async (t) => {
  const { rounds, commits, stored } = setUp(t)
  const many = Array.from({ length: 2500 }, (_, index) => workload(`w-${index}`))
  t.same(await rounds([...many, allow('all', { workloads: ['w-2499'] })]), {})
  t.equal(stored().length, 2501)
  t.same(commits.length, 3)
})

t.test('nothing is held back that could be served: random resources with random faults', async (t) => {
  t.comment(`seed ${seed}`)
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  for (let round = 0; round < 60; round += 1) {
    const { mesh, rounds, stored } = setUp(t)
    const made = new Map<string, object>()
    for (let index = 0; index < 12; index += 1) {
      const name = pick(...names)
      const value = pick(
        () => workload(name, { spiffeId: `spiffe://${TRUST_DOMAIN}/${pick('x', 'y', name, name)}` }),
        () => service(name, { workloads: [pick(...names)], addresses: [`10.0.0.${1 + below(6)}`] }),
        () =>
          service(name, {
            workloads: [pick(...names)],
            hosts: [pick('one.example', 'two.example', `${name}.example`)],
          }),
        () => allow(name, { workloads: [pick(...names)] }),
        () => document('MeshConfig', name, { outbound: 'deny' }),
      )()
      const { name: key } = candidate(value)
      made.set(resourceKey(key), value)
    }
    // oxlint-disable-next-line no-await-in-loop -- one round after the other
    const held = await rounds([...made.values()])
    t.equal(stored().length + Object.keys(held).length, made.size)
    for (const key of Object.keys(held)) {
      const { resource, text } = candidate(made.get(key)!)
      const alone = admitResources([{ document: 0, resource, text }], mesh)
      if (alone.kind === 'admitted') t.fail(`${key} is held back for ${held[key]}, and could be served`)
    }
  }
})
