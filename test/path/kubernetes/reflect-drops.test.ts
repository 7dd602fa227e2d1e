// Thousands of changes while watches are cut, end, hang and come too late, and the server goes away and comes back, at random
// points: what two reflectors were told equals what the server has.
import t from 'tap'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { below, pick, seed, Tally } from '../../fixtures/fuzz.ts'
import { startKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { until } from '../../fixtures/process.ts'
import { configMap, configMaps, follow } from '../../fixtures/reflected.ts'

checkLeaks(t)

console.log(`seed ${seed}`)

const CHANGES = 4_000
const OBJECTS = 200
/** Pauses and time-outs pass faster than they are: a silent stream is given up after a second. */
const FASTER = 180
/** Each takes that second. */
const MAX_HANGS = 3

const clock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic() * FASTER,
  after: (delayMs, task) => systemClock.after(delayMs / FASTER, task),
}

t.test('two reflectors lose nothing', { timeout: 55_000 }, async (t) => {
  const api = await startKubernetes(t)
  const random = (): number => below(1_000_000) / 1_000_000
  const all = follow(t, api, { clock, random })
  const some = follow(t, api, { clock, random, labelSelector: 'odd=true' })
  let hangs = 0
  let compared = 1
  const happened = new Tally()
  const fault = { path: /watch=true|limit=/ }
  const faults: Readonly<Record<string, () => unknown>> = {
    cut: () => api.dropWatches(),
    end: () => api.endWatches(),
    'cut in a line': () => {
      api.rubbish('{"type":"ADDED","object":')
      api.dropWatches()
    },
    rubbish: () => api.rubbish('rubbish\n'),
    bookmark: () => api.bookmark(),
    compact: () => api.compact({ early: below(2) === 0 }),
    'compact and cut': () => {
      api.dropWatches()
      api.compact({ early: below(2) === 0 })
    },
    hang: () => {
      if ((hangs += 1) > MAX_HANGS) return
      const release = api.hang()
      setImmediate(release)
    },
    'too many': () =>
      api.fail({ ...fault, status: 429, reason: 'TooManyRequests', retryAfterS: 1, times: 1 + below(3) }),
    'bad gateway': () => api.fail({ ...fault, status: 502, text: '<html>', times: 1 + below(3) }),
    restart: () => api.restart(),
    relist: () => pick(all, some).reflector.relist(),
  }
  const odd = (): [string, string | undefined][] =>
    api
      .all(configMaps)
      .filter(({ metadata }) => metadata.labels?.['odd'] === 'true')
      .map(({ metadata }) => [metadata.name, metadata.resourceVersion])
  const had = (): [string, string | undefined][] =>
    [...some.objects.values()]
      .map(({ metadata }): [string, string | undefined] => [metadata.name, metadata.resourceVersion])
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
  const equal = async (): Promise<void> => {
    await all.equal()
    await until('the selected ones', () => JSON.stringify(had()) === JSON.stringify(odd()))
  }
  for (let change = 0; change < CHANGES; change += 1) {
    const name = `a-${below(OBJECTS)}`
    const known = api.rest.etcd.get('/configmaps', `default/${name}`) !== undefined
    if (known && below(3) === 0) api.remove(configMaps, name, 'default')
    else api.put(configMaps, configMap(name, String(change), { labels: { odd: String(below(2) === 1) } }))
    if (below(60) === 0) {
      const kind = pick(...Object.keys(faults))
      happened.add(kind)
      await faults[kind]?.()
      // Mostly both follow again before the next one; sometimes they do not get that far.
      if (kind !== 'hang' && below(4) > 0) await until('two watches', () => api.watches === 2)
    }
    if (below(100) === 0) {
      await equal()
      compared += 1
    }
    // The server writes in this process: it has to get its turn.
    if (below(4) === 0) await new Promise((resolve) => void setImmediate(resolve))
  }
  await equal()
  t.ok(compared > 10, 'what was told equals what is there, and was at many points')
  t.comment(
    `${CHANGES} changes, compared at ${compared} points; ${happened.text}; told ${all.told.length} and ${some.told.length} times`,
  )
  for (const reflected of [all, some]) {
    const told = reflected.told.filter((line) => line.startsWith('put') || line.startsWith('delete'))
    t.ok(told.length > 100, 'by watches too')
  }
})
