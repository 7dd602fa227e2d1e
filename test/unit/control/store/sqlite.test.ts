import { writeFileSync, truncateSync, statSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openSqliteStore } from '../../../../src/control/store/sqlite.ts'
import type { Change, Commit, Store } from '../../../../src/control/store/store.ts'
import { parseSpiffeId } from '../../../../src/identity/spiffe-id.ts'
import { type ApiKey, nameOf } from '../../../../src/policy/model.ts'
import { validateResource, validateStored } from '../../../../src/policy/validate.ts'
import { service, temporaryFolder, workload } from '../../../fixtures/control.ts'

const NOW = 1_800_000_000_000
const PUBLISHED_REVISION = 'ALTER TABLE resources ADD COLUMN published_revision INTEGER NOT NULL DEFAULT 1'
const ID = parseSpiffeId('spiffe://test.local/ns/default/sa/web')

function put(document: object): Change & { kind: 'put' } {
  const result = validateResource(document)
  if (!result.ok) throw new Error(JSON.stringify(result.violations))
  return { kind: 'put', resource: result.resource, document: JSON.stringify(document) }
}

function setUp(t: Test): { file: string; open: () => Store } {
  const file = join(temporaryFolder(t), 'outrider.db')
  const opened: Store[] = []
  t.teardown(() => {
    for (const store of opened) {
      try {
        store.close()
      } catch {
        // Closed by the test.
      }
    }
  })
  return {
    file,
    open: () => {
      const store = openSqliteStore(file)
      opened.push(store)
      return store
    },
  }
}

t.test('commits: one revision for all, told to watchers, there after a restart', async (t) => {
  const { open, file } = setUp(t)
  const store = open()
  const commits: Commit[] = []
  const stop = store.watch((commit) => commits.push(commit))
  t.equal(store.revision, 0)
  const web = put(workload('web'))
  const svc = put(service('web'))
  t.equal(store.commit({ changes: [web, svc] }, NOW), 1)
  t.equal(store.commit({ touched: [nameOf(svc.resource)] }, NOW + 1), 2)
  t.equal(store.commit({ changes: [{ kind: 'delete', name: nameOf(web.resource) }] }, NOW + 2), 3)
  stop()
  store.commit({ changes: [put(workload('api'))] }, NOW + 3)
  t.same(
    commits.map(({ revision }) => revision),
    [1, 2, 3],
  )
  t.equal(store.get(nameOf(web.resource)), undefined)
  t.match(store.get(nameOf(svc.resource)), { revision: 1, changedAtMs: NOW })
  const before = store.list()
  store.close()
  t.equal(statSync(file).mode & 0o777, 0o600)

  const again = open()
  t.equal(again.revision, 4)
  t.same(again.list(), before)
  t.same(
    again.list({ kind: 'Workload', namespace: 'default' }).map(({ resource }) => resource.metadata.name),
    ['api'],
  )
  t.equal(again.size, 2)
})

t.test('a copy of a cluster: the revision is not ours to count, and never falls', async (t) => {
  const file = join(temporaryFolder(t), 'outrider.db')
  const store = openSqliteStore(file, undefined, 'kubernetes')
  t.equal(store.commit({ changes: [put(workload('web'))], revision: 9_000 }, NOW), 9_000)
  t.equal(store.commit({ changes: [put(workload('api'))], revision: 9_000 }, NOW), 9_000, 'what came too late for it')
  t.equal(store.commit({ touched: [] }, NOW), 9_000)
  t.throws(() => store.commit({ revision: 8_999 }, NOW), RangeError)
  t.throws(() => store.commit({ revision: Number.NaN }, NOW), RangeError)
  t.match(store.get(nameOf(put(workload('api')).resource)), { revision: 9_000 })
  store.close()
  t.throws(() => openSqliteStore(file), { code: 'store-mismatch', place: file })
  const again = openSqliteStore(file, undefined, 'kubernetes')
  t.equal(again.revision, 9_000)
  again.close()
})

t.test('an empty database may become either; one with resources stays what it is', async (t) => {
  const { file, open } = setUp(t)
  open().close()
  openSqliteStore(file, undefined, 'kubernetes').close()
  const own = open()
  own.commit({ changes: [put(workload('web'))] }, NOW)
  own.close()
  t.throws(() => openSqliteStore(file, undefined, 'kubernetes'), { code: 'store-mismatch', message: /kubectl/ })
})

t.test('services with the endpoints of a cluster come back', async (t) => {
  const { open } = setUp(t)
  const endpoints = Array.from({ length: 2000 }, (_, index) => ({
    address: `10.1.${index >> 8}.${index & 255}`,
    port: 8080,
    appPort: 8080,
  }))
  const document = service('web', { workloads: ['default/web'], endpoints })
  const read = validateStored(document)
  if (!read.ok) throw new Error(JSON.stringify(read.violations))
  const before = open()
  before.commit({ changes: [{ kind: 'put', resource: read.resource, document: JSON.stringify(document) }] }, NOW)
  before.close()
  const stored = open().get(nameOf(read.resource))?.resource
  t.equal(stored?.kind === 'Service' && stored.spec.endpoints.length, 2000)
  t.notOk(validateResource(document).ok, 'which nobody writes by hand')
})

t.test('a batch that fails half way for a full disk changes nothing', async (t) => {
  const { open, file } = setUp(t)
  const store = open()
  store.commit({ changes: [put(workload('web'))] }, NOW)
  store.close()
  const pages = statSync(file).size / 4096
  // SQLite answers SQLITE_FULL at its page limit as it does when the disk has no room.
  const full = openSqliteStore(file, pages)
  t.teardown(() => full.close())
  const upstreams = Array.from({ length: 500 }, (_, index) => `ns-${index}/${'x'.repeat(60)}`)
  const batch = { changes: [put(workload('api')), put(workload('large', { upstreams }))] }
  let told = 0
  full.watch(() => {
    told += 1
  })
  t.throws(() => full.commit(batch, NOW), { code: 'disk-full', retryable: true })
  t.equal(full.revision, 1)
  t.equal(full.size, 1)
  t.equal(told, 0)
  t.equal(full.commit({ changes: [put(workload('web', { ttl: '1h' }))] }, NOW), 2, 'and the store goes on')
})

t.test('tokens: only the hash is stored; used once, not after revocation or expiry', async (t) => {
  const { open, file } = setUp(t)
  const store = open()
  const hash = Buffer.alloc(32, 7)
  const issued = (serial: string): { serial: string; spiffeId: typeof ID; notAfterMs: number } => ({
    serial,
    spiffeId: ID,
    notAfterMs: NOW + 10_000,
  })
  for (const id of ['a', 'b', 'c']) store.addToken({ id, hash, spiffeId: ID, expiresAtMs: NOW + 1000 })
  t.same(store.findToken('a'), { id: 'a', hash, spiffeId: ID, expiresAtMs: NOW + 1000 })
  t.equal(store.redeemToken('a', issued('1'), NOW), true)
  t.equal(store.redeemToken('a', issued('2'), NOW), false, 'a second time')
  t.equal(store.revokeToken('b', NOW), true)
  t.equal(store.revokeToken('b', NOW), false)
  t.equal(store.redeemToken('b', issued('3'), NOW), false, 'revoked')
  t.equal(store.redeemToken('c', issued('4'), NOW + 1000), false, 'expired')
  t.equal(store.redeemToken('z', issued('5'), NOW), false, 'unknown')
  t.throws(() => store.redeemToken('c', issued('1'), NOW), { code: 'database-failed' }, 'a serial is used once')
  t.equal(store.findToken('c')?.usedAtMs, undefined, 'and the token was not used up for it')
  t.equal(store.findToken('a')?.usedAtMs, NOW)
  store.close()
  const again = open()
  t.equal(again.redeemToken('a', issued('6'), NOW), false, 'nor after a restart')
  t.same(again.findIssued('1'), issued('1'), 'what was issued is on record')
  t.equal(again.findIssued('2'), undefined, 'and nothing else')
  again.prune(NOW + 20_000, 10_000)
  t.ok(again.findIssued('1'), 'for as long after its end as is wanted')
  again.prune(NOW + 2 * 24 * 60 * 60 * 1000, 0)
  t.equal(again.findIssued('1'), undefined)
  t.same(again.listTokens(), [])
  t.notMatch(readFileSync(file, 'latin1'), /secret/)
})

t.test('sidecars are remembered', async (t) => {
  const { open } = setUp(t)
  const store = open()
  const sidecar = {
    spiffeId: ID,
    sidecarId: 'one',
    programVersion: '1.0',
    lastSeenMs: NOW,
    listeners: [{ address: '10.0.0.1', port: 15406, appPort: 8080 }],
  }
  store.commit({ sidecar }, NOW)
  store.close()
  const again = open()
  t.same(again.sidecars(), [sidecar])
  again.forgetSidecar(ID, 'one')
  t.same(again.sidecars(), [])
})

t.test('a database of the version before is brought up to date, with what is in it', async (t) => {
  const { open, file } = setUp(t)
  const before = open()
  before.commit({ changes: [put(workload('web'))] }, NOW)
  before.close()
  const hand = new DatabaseSync(file)
  hand.exec(`DROP TABLE api_key_uses; ${PUBLISHED_REVISION}; PRAGMA user_version = 1`)
  hand.close()
  const after = open()
  t.equal(after.size, 1)
  after.recordApiKeyUses(new Map([['aaaaaaaa', NOW]]))
  t.same([...after.apiKeyUses()], [['aaaaaaaa', NOW]])
  after.close()
  const again = open()
  t.same([...again.apiKeyUses()], [['aaaaaaaa', NOW]])
  t.equal(again.revision, 1)
  again.close()
})

t.test('uses of API keys: the latest counts, and those of keys that are no more are forgotten', async (t) => {
  const { open } = setUp(t)
  const store = open()
  store.recordApiKeyUses(new Map([['aaaaaaaa', NOW]]))
  store.recordApiKeyUses(new Map([['aaaaaaaa', NOW - 1]]))
  t.same([...store.apiKeyUses()], [['aaaaaaaa', NOW]])
  const secret = { id: 'bbbbbbbb', salt: 'A'.repeat(22), hash: '0'.repeat(64), createdAtMs: NOW }
  const document = {
    apiVersion: 'outrider.mesh/v1',
    kind: 'ApiKey',
    metadata: { name: 'shop' },
    spec: { owner: 'shop', secrets: [{ ...secret, createdAt: '2026-01-01T00:00:00Z' }] },
  }
  const resource: ApiKey = {
    kind: 'ApiKey',
    metadata: { namespace: 'default', name: 'shop' },
    spec: { workloads: [], owner: 'shop', scopes: [], secrets: [secret] },
  }
  store.commit({ changes: [{ kind: 'put', resource, document: JSON.stringify(document) }] }, NOW)
  store.recordApiKeyUses(new Map([['bbbbbbbb', NOW]]))
  store.prune(NOW, 0)
  t.same([...store.apiKeyUses()], [['bbbbbbbb', NOW]])
  store.close()
})

t.test('a damaged database, one of another program and one of a later version are refused', async (t) => {
  const { open, file } = setUp(t)
  writeFileSync(file, 'this is a text file, and it is long enough to be taken for one: '.repeat(100))
  t.throws(open, { code: 'database-corrupt', place: file })

  const foreign = setUp(t)
  const other = new DatabaseSync(foreign.file)
  other.exec('CREATE TABLE notes (text TEXT)')
  other.close()
  t.throws(foreign.open, { code: 'database-foreign' })

  const later = setUp(t)
  later.open().close()
  const raised = new DatabaseSync(later.file)
  raised.exec('PRAGMA user_version = 4')
  raised.close()
  t.throws(later.open, { code: 'database-foreign' })

  const cut = setUp(t)
  const store = cut.open()
  for (let index = 0; index < 50; index += 1) store.commit({ changes: [put(workload(`web-${index}`))] }, NOW)
  store.close()
  truncateSync(cut.file, statSync(cut.file).size - 8192)
  t.throws(cut.open, { code: 'database-corrupt' })

  const edited = setUp(t)
  const valid = edited.open()
  valid.commit({ changes: [put(workload('web'))] }, NOW)
  valid.close()
  const hand = new DatabaseSync(edited.file)
  hand.exec(`UPDATE resources SET document = '{"kind":"Workload"}'`)
  hand.close()
  t.throws(edited.open, { code: 'database-corrupt', message: /Workload\/default\/web/ })
})
