import t from 'tap'
import { ApiClient } from '../../../src/kubernetes/client.ts'
import { reflect } from '../../../src/kubernetes/reflect.ts'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { startKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { until } from '../../fixtures/process.ts'
import { configMap, configMaps } from '../../fixtures/reflected.ts'

checkLeaks(t)

t.test(
  'back after an outage, and all has been forgotten: listed at once, not after the wait that the outage taught',
  async (t) => {
    const api = await startKubernetes(t)
    api.put(configMaps, configMap('a', '1'))
    const waits: { readonly error?: string; readonly retryInMs: number }[] = []
    const log = {
      debug: (fields: object) => void waits.push({ retryInMs: Number.NaN, ...fields }),
      info: () => {},
      warn: () => {},
    }
    const client = new ApiClient(api.connection, systemClock)
    let lists = 0
    const events = { replaced: () => void (lists += 1), changed() {}, progressed() {}, state() {} }
    const surroundings = { clock: systemClock, random: () => 0.5, log }
    const reflector = reflect(client, { type: configMaps, maxObjects: 10 }, events, surroundings)
    t.teardown(() => {
      reflector.close()
      client.close()
    })
    await until('a watch', () => api.watches === 1)
    await api.stop()
    await until('it has tried three times', () => waits.filter(({ retryInMs }) => retryInMs > 0).length >= 3)
    api.put(configMaps, configMap('a', '2'))
    api.compact()
    await api.start()
    await until('listed anew', () => lists === 2)
    const late = waits.filter(({ error }) => error?.includes('410') === true)
    t.match(late, [{ retryInMs: 0 }], 'no wait once it is known that nobody remembers')
    t.ok(
      waits.some(({ retryInMs }) => retryInMs >= 400),
      'there was a long one before',
    )
  },
)

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
