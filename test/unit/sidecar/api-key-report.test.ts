import t from 'tap'
import { ApiKeyReporter } from '../../../src/sidecar/api-key-report.ts'
import type { ApiKeyUse } from '../../../src/wire/outrider/policy/v1/ApiKeyUse.ts'
import { TestClock } from '../../fixtures/clock.ts'

interface Setting {
  readonly used: Map<string, number>
  readonly told: string[][]
  readonly failures: unknown[]
  readonly minute: () => Promise<void>
  connected: boolean
  broken: boolean
}

function setUp(): Setting {
  const clock = new TestClock()
  const used = new Map<string, number>()
  const told: string[][] = []
  const failures: unknown[] = []
  const setting: Setting = {
    used,
    told,
    failures,
    connected: true,
    broken: false,
    minute: async () => {
      clock.advance(60_000)
      // What was taken is told some turns of promises later.
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
    },
  }
  const reporter = new ApiKeyReporter({
    take: async () => {
      if (setting.broken) throw new Error('no answer')
      const taken = new Map(used)
      used.clear()
      return taken
    },
    send: ({ secrets = [] }: ApiKeyUse) => {
      if (setting.connected) told.push(secrets.map(({ id = '' }) => id))
      return setting.connected
    },
    clock,
    onFailed: (thrown) => void failures.push(thrown),
  })
  t.teardown(() => reporter.close())
  return setting
}

t.test('once a minute, and only when there is something to tell', async (t) => {
  const { used, told, minute } = setUp()
  await minute()
  t.same(told, [])
  used.set('a', 1)
  used.set('b', 2)
  await minute()
  t.same(told, [['a', 'b']])
  await minute()
  t.same(told, [['a', 'b']])
})

t.test('what could not be told goes with the next', async (t) => {
  const setting = setUp()
  const { used, told, failures, minute } = setting
  setting.connected = false
  used.set('a', 1)
  await minute()
  setting.connected = true
  used.set('b', 2)
  await minute()
  t.same(told, [['a', 'b']])
  setting.broken = true
  await minute()
  t.equal(failures.length, 1)
  setting.broken = false
  used.set('c', 3)
  await minute()
  t.same(told.at(-1), ['c'])
})

t.test('no message has more than the control server takes', async (t) => {
  const { used, told, minute } = setUp()
  for (let index = 0; index < 2500; index += 1) used.set(`id${index}`, index)
  for (let minutes = 0; minutes < 4; minutes += 1) await minute()
  t.same(
    told.map((ids) => ids.length),
    [1000, 1000, 500],
  )
  t.equal(new Set(told.flat()).size, 2500)
})
