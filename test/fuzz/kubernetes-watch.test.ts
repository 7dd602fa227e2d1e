// Streams of changes, good and spoilt, in pieces of any size: what stands before the first spoilt place is told, letter by letter and
// in order; what comes after it is an event or the end of the watch with a code of ours.
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ApiClient } from '../../src/kubernetes/client.ts'
import { ApiError } from '../../src/kubernetes/failure.ts'
import type { WatchEvent } from '../../src/kubernetes/watch.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { beginCase, below, pick, randomSlices, rounds, seconds, seed, Tally } from '../fixtures/fuzz.ts'
import { startKubernetes } from '../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { until } from '../fixtures/process.ts'
import { configMaps } from '../fixtures/reflected.ts'

checkLeaks(t)

console.log(`seed ${seed}`)

const CASES_PER_ROUND = 200
const letters = ['a', 'é', '\u2028', '😀', '"', '\\', '\n', '\0', ' ']

/** A line as an API server writes it. */
function goodLine(version: number): string {
  const metadata = { name: `a-${below(9)}`, namespace: 'default', resourceVersion: String(version) }
  const text = Array.from({ length: pick(0, 1, 20, 3000) }, () => pick(...letters)).join('')
  const type = pick('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK')
  const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { text } }
  return `${pick('', '', '\n')}${JSON.stringify({ type, object })}\n`
}

/** Spoils some bytes; gives where the first of them is. */
function spoil(bytes: Buffer): { spoilt: Buffer; at: number } {
  const at = below(bytes.length)
  const to = Math.min(bytes.length, at + pick(0, 1, 2, 30))
  const inserted = pick(
    '',
    '\n',
    '\0',
    '{',
    '"',
    '}\n{',
    '{"type":"ERROR","object":{"kind":"Status","code":410}}\n',
    '{"type":"ERROR","object":null}\n',
    '{"type":"ADDED","object":{"metadata":[]}}\n',
    '{"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":7}}}\n',
    '{"type":"__proto__","object":{"metadata":{"name":"x","resourceVersion":"7"}}}\n',
    `${'['.repeat(100_000)}\n`,
  )
  return { spoilt: Buffer.concat([bytes.subarray(0, at), Buffer.from(inserted), bytes.subarray(to)]), at }
}

/** As it comes back when it is told. */
function toldOf(line: string): object {
  const { type, object } = JSON.parse(line)
  const { resourceVersion } = object.metadata
  if (type === 'BOOKMARK') return { type: 'bookmark', resourceVersion }
  return { type: type === 'DELETED' ? 'delete' : 'put', object, resourceVersion }
}

const tally = new Tally()

async function round(t: Test): Promise<void> {
  const api = await startKubernetes(t)
  const client = new ApiClient(api.connection, systemClock)
  t.teardown(() => client.close())
  for (let count = 0; count < CASES_PER_ROUND; count += 1) {
    const here = beginCase()
    const lines = Array.from({ length: 1 + below(20) }, (_, index) => goodLine(100 + index))
    const whole = Buffer.from(lines.join(''))
    const { spoilt, at } = below(3) === 0 ? { spoilt: whole, at: whole.length } : spoil(whole)
    const told: WatchEvent[] = []
    const outcome = client
      .watch(configMaps, { resourceVersion: '99', timeoutSeconds: 300, told: (event) => told.push(event) })
      .catch((error: unknown) => error)
    await until('the watch', () => api.watches === 1)
    for (const slice of randomSlices(spoilt)) {
      api.rubbish(slice)
      if (below(4) === 0) await turn()
    }
    if (below(2) === 0) api.endWatches({ bare: true })
    else api.dropWatches()
    const end = await outcome
    await until('its end', () => api.watches === 0)
    // A connection that is cut takes with it what was not read yet.
    const cut = end instanceof ApiError && end.code === 'kubernetes-unreachable'
    const before = lines.filter((_, index) => Buffer.byteLength(lines.slice(0, index + 1).join('')) <= at)
    const wanted = before.map(toldOf)
    const had = told.slice(0, wanted.length)
    const same = JSON.stringify(had) === JSON.stringify(cut ? wanted.slice(0, had.length) : wanted)
    const known = end === undefined || (end instanceof ApiError && end.code !== 'kubernetes-object')
    const sound = told.every(({ resourceVersion }) => typeof resourceVersion === 'string' && resourceVersion !== '')
    if (!same || !known || !sound) {
      t.fail(`the case of seed ${here}`, { end: String(end), told: told.length, wanted: wanted.length })
      return
    }
    tally.add(end instanceof ApiError ? end.code : 'ended')
  }
}

t.test('watches', { timeout: (seconds + 60) * 1000 }, async (t) => {
  await rounds(t, performance.now() + seconds * 1000, round)
  t.comment(tally.text)
  t.pass('every stream was told as far as it was good')
})
