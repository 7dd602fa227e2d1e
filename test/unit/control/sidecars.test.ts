import { join } from 'node:path'
import t from 'tap'
import { Catalogue } from '../../../src/control/publish/catalogue.ts'
import { type Introduced, SidecarRegistry } from '../../../src/control/sidecars.ts'
import { openSqliteStore } from '../../../src/control/store/sqlite.ts'
import { verifyPeer } from '../../../src/identity/verify.ts'
import { OutriderError } from '../../../src/lib/errors.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { temporaryFolder } from '../../fixtures/control.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const LISTENERS = [{ address: '10.0.0.1', port: 15406, appPort: 8080 }]

function introduced(sidecarId: string): Introduced {
  const ca = makeTestCa('test.local')
  const { chainDer } = ca.issue('spiffe://test.local/ns/default/sa/web')
  const peer = verifyPeer(chainDer, new Map([[ca.bundle().trustDomain, ca.bundle()]]), Date.now())
  if (peer.kind !== 'verified') throw new Error(peer.message)
  return { peer, sidecarId, programVersion: '1.0' }
}

t.test('who has been away for a day is forgotten; who is connected or may come back is not', async (t) => {
  const store = openSqliteStore(join(temporaryFolder(t), 'outrider.db'))
  t.teardown(() => store.close())
  const clock = new TestClock(Date.now())
  const log = createLogger({ name: 'control', level: 'error', clock, sink: { write: () => {} } })
  const registry = new SidecarRegistry(store, new Catalogue(), clock, 30_000, log)
  const known = (): string[] => [...registry.records()].map(({ record }) => record.sidecarId)
  const [here, away] = [introduced('here'), introduced('away')]
  for (const sidecar of [here, away]) {
    registry.connected(sidecar)
    registry.listening(sidecar, LISTENERS)
  }
  registry.draining(here)
  registry.lost(away)
  clock.advance(DAY_MS)
  registry.prune()
  t.same(known(), ['here', 'away'])
  clock.advance(60_000)
  registry.prune()
  t.same(known(), ['here'])
  t.same(
    store.sidecars().map(({ sidecarId }) => sidecarId),
    ['here'],
  )
  registry.close()
  t.equal(clock.pending, 0)
})

t.test('a withdrawal that cannot be stored is tried again', async (t) => {
  const store = openSqliteStore(join(temporaryFolder(t), 'outrider.db'))
  t.teardown(() => store.close())
  const clock = new TestClock(Date.now())
  const lines: string[] = []
  const log = createLogger({ name: 'control', level: 'warn', clock, sink: { write: (line) => void lines.push(line) } })
  let full = false
  const failing = new Proxy(store, {
    get: (target, property, receiver) => {
      if (property === 'commit' && full) {
        return () => {
          throw new OutriderError('disk-full', 'the disk is full')
        }
      }
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : (value ?? receiver)
    },
  })
  const registry = new SidecarRegistry(failing, new Catalogue(), clock, 30_000, log)
  const sidecar = introduced('one')
  registry.connected(sidecar)
  registry.listening(sidecar, LISTENERS)
  t.equal(store.revision, 1)
  registry.listening(sidecar, LISTENERS)
  t.equal(store.revision, 1, 'the same again is no change')
  registry.lost(sidecar)
  full = true
  clock.advance(30_000)
  t.equal(registry.endpointsOf(sidecar.peer.id).length, 1)
  t.match(lines.join(), /the disk is full/)
  full = false
  clock.advance(5_000)
  t.same(registry.endpointsOf(sidecar.peer.id), [])
  registry.close()
})
