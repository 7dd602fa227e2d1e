import t from 'tap'
import { ApiClient } from '../../../src/kubernetes/client.ts'
import type { ClusterObject } from '../../../src/kubernetes/objects.ts'
import { reflect } from '../../../src/kubernetes/reflect.ts'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { startKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { until } from '../../fixtures/process.ts'
import { configMap, configMaps } from '../../fixtures/reflected.ts'

checkLeaks(t)

for (const [said, fault, waitMs] of [
  ['410', undefined, 0],
  ['403', { status: 403, reason: 'Forbidden', times: 1 }, 200],
] as const) {
  t.test(`back after an outage with ${said}: tried at once, not after the wait that the outage taught`, async (t) => {
    const api = await startKubernetes(t)
    api.put(configMaps, configMap('a', '1'))
    const waits: { readonly error?: string; readonly retryInMs: number }[] = []
    const log = {
      debug: (fields: object) => void waits.push({ retryInMs: Number.NaN, ...fields }),
      info: () => {},
      warn: () => {},
    }
    const client = new ApiClient(api.connection, systemClock)
    let seen = ''
    const value = (object: ClusterObject): string => JSON.stringify(object['data'])
    const events = {
      replaced: (objects: readonly ClusterObject[]) => void (seen = objects.map(value).join()),
      changed: (_: string, object: ClusterObject) => void (seen = value(object)),
      progressed() {},
      state() {},
    }
    const surroundings = { clock: systemClock, random: () => 0.5, log }
    const reflector = reflect(client, { type: configMaps, maxObjects: 10 }, events, surroundings)
    t.teardown(() => {
      reflector.close()
      client.close()
    })
    await until('a watch', () => api.watches === 1)
    await api.stop()
    await until('it has tried four times', () => waits.filter(({ retryInMs }) => retryInMs > 0).length >= 4)
    api.put(configMaps, configMap('a', '2'))
    if (fault === undefined) api.compact()
    else api.fail(fault)
    await api.start()
    await until('the change is told', () => seen.includes('"2"'))
    const late = waits.filter(({ error }) => error?.includes(said) === true)
    t.match(late, [{ retryInMs: waitMs }])
    t.ok(Math.max(...waits.map(({ retryInMs }) => retryInMs)) >= 800, 'there was a long one before')
  })
}

t.test('nobody answers for long: tried every five seconds at least', async (t) => {
  const api = await startKubernetes(t)
  await api.stop()
  const waits: number[] = []
  const log = {
    debug: (fields: object) => void waits.push(Number('retryInMs' in fields ? fields.retryInMs : Number.NaN)),
    info: () => {},
    warn: () => {},
  }
  // No wait takes any time; those of calls do.
  const clock: Clock = { ...systemClock, after: (ms, task) => systemClock.after(waits.includes(ms) ? 0 : ms, task) }
  const client = new ApiClient(api.connection, clock)
  const events = { replaced() {}, changed() {}, progressed() {}, state() {} }
  const reflector = reflect(client, { type: configMaps, maxObjects: 10 }, events, { clock, random: () => 0.5, log })
  t.teardown(() => {
    reflector.close()
    client.close()
  })
  await until('it has tried ten times', () => waits.length >= 10)
  t.same(waits.slice(0, 7), [200, 400, 800, 1600, 3200, 5000, 5000])
  t.equal(Math.max(...waits), 5000)
})
