import t from 'tap'
import { housekeeping } from '../../../src/control/housekeeping.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { TestClock } from '../../fixtures/clock.ts'

t.test('a chore that fails keeps none of the others from being done, now or later', async (t) => {
  const clock = new TestClock()
  const lines: object[] = []
  const log = createLogger({
    name: 'control',
    level: 'error',
    clock,
    sink: { write: (line: string) => void lines.push(JSON.parse(line)) },
  })
  let done = 0
  const stop = housekeeping(
    {
      store: () => {
        throw new Error('the disk is full')
      },
      signers: () => (done += 1),
    },
    clock,
    log,
  )
  for (const times of [1, 2]) {
    clock.advance(10 * 60 * 1000)
    t.equal(done, times)
    t.equal(lines.length, times)
  }
  t.match(lines[0], { chore: 'store', error: { message: 'the disk is full' } })
  stop()
  clock.advance(60 * 60 * 1000)
  t.equal(done, 2)
})

t.test('a chore that fails later is logged too', async (t) => {
  const clock = new TestClock()
  const logged = Promise.withResolvers<string>()
  const log = createLogger({
    name: 'control',
    level: 'error',
    clock,
    sink: { write: (line: string) => logged.resolve(line) },
  })
  const stop = housekeeping({ signers: () => Promise.reject(new Error('the API server is away')) }, clock, log)
  clock.advance(10 * 60 * 1000)
  t.match(JSON.parse(await logged.promise), { chore: 'signers', error: { message: 'the API server is away' } })
  stop()
})
