import t from 'tap'
import { systemClock } from '../../../src/lib/clock.ts'

const LONGEST_MS = 0x7fff_ffff

t.test('now is the time of day, monotonic never goes back', async (t) => {
  t.ok(Math.abs(systemClock.now() - Date.now()) < 100)
  const first = systemClock.monotonic()
  t.ok(systemClock.monotonic() >= first)
})

t.test('a task runs once, and a cancelled one never', async (t) => {
  let ran = 0
  const cancelled = systemClock.after(1, () => (ran += 10))
  cancelled.cancel()
  await new Promise<void>((resolve) => {
    // Keeps the process alive: the timers of the clock do not.
    const alive = setInterval(() => {}, 1000)
    systemClock.after(-5, () => (ran += 1))
    systemClock.after(5, () => {
      clearInterval(alive)
      resolve()
    })
  })
  t.equal(ran, 1)
})

t.test('a wait longer than setTimeout can is cut into pieces', async (t) => {
  const waits: number[] = []
  const tasks: (() => void)[] = []
  const real = globalThis.setTimeout
  t.intercept(globalThis, 'setTimeout', {
    value: (task: () => void, ms: number) => {
      waits.push(ms)
      tasks.push(task)
      return real(() => {}, 0)
    },
  })
  let ran = false
  systemClock.after(2 * LONGEST_MS + 7, () => {
    ran = true
  })
  while (tasks.length > 0) tasks.shift()!()
  t.same(waits, [LONGEST_MS, LONGEST_MS, 7])
  t.equal(ran, true)
})
