// What is kept of a collection equals what the real API server has, whatever happens to the way and to the server.
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { fieldsOf, itemsOf } from '../../src/injector/pod.ts'
import { ApiClient } from '../../src/kubernetes/client.ts'
import { podConnection } from '../../src/kubernetes/connection.ts'
import { type ClusterObject, keyOf, type ResourceType } from '../../src/kubernetes/objects.ts'
import { reflect, type ReflectEvents } from '../../src/kubernetes/reflect.ts'
import { parseAddress } from '../../src/lib/address.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { type ApiServerFlags, type Cluster, withApiServer } from '../fixtures/cluster.ts'
import { ensure } from '../fixtures/cluster-accounts.ts'
import { below, seed } from '../fixtures/fuzz.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { until } from '../fixtures/process.ts'
import { startRelay } from '../fixtures/faulty-relay.ts'

checkLeaks(t)

const NAMESPACE = 'reflect'
const MAPS = `/api/v1/namespaces/${NAMESPACE}/configmaps`
const type: ResourceType = { group: '', version: 'v1', plural: 'configmaps', namespaced: true }
/** More than two pages of a list. */
const OBJECTS = 1100
const CHANGES = 400
const DROPS = 40
const AT_ONCE = 8

/** Keeps what it is told, and what was wrong with it. */
class Mirror implements ReflectEvents {
  readonly objects = new Map<string, ClusterObject>()
  readonly wrong: string[] = []
  /** Whole states that it was told. */
  lists = 0
  current = 'none yet'
  readonly seenAt = new Map<string, number>()

  replaced(objects: readonly ClusterObject[]): void {
    this.lists += 1
    this.objects.clear()
    for (const object of objects) this.#put(object)
  }

  changed(type: 'put' | 'delete', object: ClusterObject): void {
    const key = keyOf(object)
    const known = this.objects.get(key)
    if (type === 'delete') {
      if (!this.objects.delete(key)) this.wrong.push(`${key} was deleted and is not there`)
      return
    }
    if (known !== undefined && versionOf(known) >= versionOf(object)) this.wrong.push(`${key} went back, or came twice`)
    this.#put(object)
  }

  progressed(): void {}

  state(state: string): void {
    this.current = state
  }

  #put(object: ClusterObject): void {
    this.objects.set(keyOf(object), object)
    this.seenAt.set(String(object.metadata.resourceVersion), performance.now())
  }
}

function versionOf(object: ClusterObject): number {
  return Number(object.metadata.resourceVersion)
}

/** With its cache of watches, and without: then etcd says what is too old, and there are no bookmarks. */
const kinds: Readonly<Record<string, ApiServerFlags>> = {
  'with a watch cache': {},
  'without a watch cache': { 'watch-cache': 'false' },
}

for (const [kind, flags] of Object.entries(kinds)) {
  t.test(`before a real API server ${kind}`, async (t) => {
    t.comment(`seed ${seed}`)
    await withApiServer(t, (cluster) => withCluster(t, cluster), flags)
  })
}

async function withCluster(t: Test, cluster: Cluster): Promise<void> {
  await ensure(cluster, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } })
  const relay = await startRelay(t, parseAddress(cluster.address)!)
  const client = new ApiClient(podConnection(relay.address, cluster.caFile, cluster.tokenFile), systemClock)
  t.teardown(() => client.close())
  const mirror = new Mirror()
  const writer = new Writer(cluster)
  for (let at = 0; at < OBJECTS; at += AT_ONCE)
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => writer.put(`map-${at + index}`)))

  const log = { debug() {}, info() {}, warn() {} }
  const reflector = reflect(client, { type, namespace: NAMESPACE, maxObjects: 10_000 }, mirror, {
    clock: systemClock,
    random: systemRandom,
    log,
  })
  t.teardown(() => reflector.close())

  const equals = async (t: Test): Promise<void> => {
    const expected = await writer.present()
    const found = (): Record<string, string> =>
      Object.fromEntries([...mirror.objects.values()].map((o) => [o.metadata.name, String(o.metadata.resourceVersion)]))
    const isEqual = (): boolean => JSON.stringify(sorted(found())) === JSON.stringify(sorted(expected))
    // What differs is told below.
    await until('what is kept equals what is there', isEqual, 45_000).catch(() => {})
    t.same(sorted(found()), sorted(expected))
    t.same(mirror.wrong.splice(0), [])
  }

  await t.test('listed in pages', async (t) => {
    await equals(t)
    t.equal(mirror.lists, 1)
    t.ok(mirror.objects.size > 1000)
  })

  await t.test('changes come at once', async (t) => {
    const delays: number[] = []
    for (let count = 0; count < 100; count += 1) {
      const started = performance.now()
      const version = await writer.put(`map-${count}`)
      await until('the change is told', () => mirror.seenAt.has(version))
      delays.push(mirror.seenAt.get(version)! - started)
    }
    delays.sort((a, b) => a - b)
    t.comment(`asked for to told: median ${delays[50]!.toFixed(1)} ms, longest ${delays.at(-1)!.toFixed(1)} ms`)
    t.ok(delays.at(-1)! < 1000)
  })

  await t.test('the way is cut again and again: taken up, not listed anew', async (t) => {
    const before = mirror.lists
    await writer.work(CHANGES, (count) => {
      if (count % (CHANGES / DROPS) === 0) relay.drop()
    })
    await equals(t)
    t.equal(mirror.lists, before)
  })

  await t.test('it hangs for a while', async (t) => {
    relay.hang()
    await writer.work(50)
    relay.resume()
    await equals(t)
  })

  await t.test('away; deletions and changes meanwhile, and all versions of before forgotten', async (t) => {
    const before = mirror.lists
    await relay.down()
    await until('it knows', () => mirror.current === 'broken')
    await writer.work(50)
    await Promise.all(['map-1', 'map-2', 'map-3'].map((name) => writer.remove(name)))
    await cluster.compact()
    await cluster.stop('SIGKILL')
    await cluster.start()
    await relay.up()
    await equals(t)
    t.equal(mirror.lists, before + 1)
    t.notOk(mirror.objects.has(`${NAMESPACE}/map-1`), 'deleted while nobody looked')
  })

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await t.test(`the API server ends by ${signal} while changes go on, and starts again`, async (t) => {
      const restarted = { at: 0 }
      const restart = async (): Promise<void> => {
        await cluster.stop(signal)
        await cluster.start()
        restarted.at = performance.now()
      }
      let restarting: Promise<void> | undefined
      await writer.work(CHANGES, (count) => {
        if (count === CHANGES / 4) restarting = restart()
      })
      await restarting
      await equals(t)
      t.comment(`in step ${Math.round(performance.now() - restarted.at)} ms after it was ready at the latest`)
      t.equal(mirror.current, 'synced')
    })
  }
  t.ok(relay.total > DROPS / 4, 'the relay was in the way of it all')
}

/** Writes straight to the API server, and again where it is away. */
class Writer {
  readonly #cluster: Cluster
  #count = 0

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Makes or changes it; gives its version. */
  async put(name: string): Promise<string> {
    this.#count += 1
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { count: String(this.#count) } }
    const made = await this.#try('POST', MAPS, map)
    const { status, body } = made.status === 409 ? await this.#try('PUT', `${MAPS}/${name}`, map) : made
    if (status !== 200 && status !== 201) throw new Error(`${name}: ${status} ${String(body['message'])}`)
    return String(fieldsOf(body['metadata'])['resourceVersion'])
  }

  async remove(name: string): Promise<void> {
    const { status } = await this.#try('DELETE', `${MAPS}/${name}`)
    if (status !== 200 && status !== 404) throw new Error(`${name}: ${status}`)
  }

  /** Changes, creations and deletions by the seed. */
  async work(changes: number, before: (count: number) => void = () => {}): Promise<void> {
    for (let count = 0; count < changes; count += 1) {
      before(count)
      const name = `map-${below(OBJECTS + 100)}`
      if (below(4) === 0) await this.remove(name)
      else await this.put(name)
    }
  }

  /** Names and versions of what is there. */
  async present(): Promise<Record<string, string>> {
    const { body } = await this.#try('GET', MAPS)
    const all = itemsOf(body['items']).map((item) => fieldsOf(fieldsOf(item)['metadata']))
    return Object.fromEntries(all.map(({ name, resourceVersion }) => [String(name), String(resourceVersion)]))
  }

  async #try(method: string, path: string, body?: object): ReturnType<Cluster['ask']> {
    const end = performance.now() + 30_000
    for (;;) {
      try {
        const answer = await this.#cluster.ask(method, path, body)
        // It ends, or has only begun.
        if (![429, 500, 503, 504].includes(answer.status)) return answer
      } catch {
        // It is away.
      }
      if (performance.now() > end) throw new Error(`${method} ${path}: the API server does not come back`)
      await pause(20)
    }
  }
}

function sorted(table: Record<string, string>): [string, string][] {
  return Object.entries(table).toSorted(([a], [b]) => (a < b ? -1 : 1))
}
