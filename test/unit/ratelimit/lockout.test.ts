import t from 'tap'
import { OwnBuckets } from '../../../src/ratelimit/buckets.ts'
import {
  Lockout,
  LOCKOUT_FAILURES,
  LOCKOUT_MS,
  LOCKOUT_WINDOW_MS,
  lockoutPlans,
  PROVEN_MS,
} from '../../../src/ratelimit/lockout.ts'
import { TableMaker, TableStore } from '../../../src/ratelimit/tables.ts'

/** As who asks uses it: a lock, but for what was proved. */
function lockedFor(lockout: Lockout, source: string, thing: string): number {
  return lockout.hasProved(source, thing) ? 0 : lockout.lockedForS(source)
}

interface Setting {
  readonly lockout: Lockout
  readonly pass: (ms: number) => void
}

function digest(key: string): { high: number; low: number } {
  let low = 7
  for (const character of key) low = (Math.imul(low, 31) + character.charCodeAt(0)) | 0
  return { high: low ^ 0x5bd1e995, low: low | 1 }
}

const kinds = {
  'own buckets': (maxKeys: number): Setting => {
    let now = 1_000_000
    const lockout = new Lockout(() => now, new OwnBuckets(maxKeys))
    return { lockout, pass: (ms) => void (now += ms) }
  },
  'tables that threads share': (maxKeys: number): Setting => {
    let now = 1_000_000
    const maker = new TableMaker(maxKeys)
    maker.retain(lockoutPlans)
    const store = new TableStore({ maxKeys, lock: { enter: () => {}, leave: () => {} }, digest })
    store.adopt(maker.tables)
    return { lockout: new Lockout(() => now, store), pass: (ms) => void (now += ms) }
  },
}

function failUntilLocked({ lockout }: Setting, source: string): number {
  for (let failures = 1; failures <= 100; failures += 1) if (lockout.failed(source)) return failures
  return Number.POSITIVE_INFINITY
}

for (const [name, setUp] of Object.entries(kinds)) {
  t.test(`${name}: so many failures lock a source out for a while, and no other`, async (t) => {
    const setting = setUp(100)
    const { lockout, pass } = setting
    t.equal(failUntilLocked(setting, 'mallory'), LOCKOUT_FAILURES)
    t.equal(lockedFor(lockout, 'mallory', 'x'), LOCKOUT_MS / 1000)
    t.equal(lockedFor(lockout, 'alice', 'x'), 0)
    pass(LOCKOUT_MS - 1)
    t.equal(lockedFor(lockout, 'mallory', 'x'), 1, 'to the last moment')
    pass(1)
    t.equal(lockedFor(lockout, 'mallory', 'x'), 0)
  })

  t.test(`${name}: failures during a lock make it no longer`, async (t) => {
    const setting = setUp(100)
    const { lockout, pass } = setting
    failUntilLocked(setting, 'mallory')
    for (let second = 0; second < LOCKOUT_MS / 1000; second += 1) {
      t.equal(lockout.failed('mallory'), false)
      pass(1000)
    }
    t.equal(lockedFor(lockout, 'mallory', 'x'), 0)
    t.equal(lockout.failed('mallory'), true, 'the next one begins another lock: nothing was forgotten yet')
    pass(LOCKOUT_MS + LOCKOUT_WINDOW_MS)
    t.equal(failUntilLocked(setting, 'mallory'), LOCKOUT_FAILURES, 'after a quiet window all is as at first')
  })

  t.test(`${name}: a failure now and then locks nobody out`, async (t) => {
    const { lockout, pass } = setUp(100)
    const everyMs = LOCKOUT_WINDOW_MS / LOCKOUT_FAILURES
    for (let round = 0; round < 200; round += 1) {
      if (lockout.failed('clumsy')) t.fail(`locked out after ${round} failures`)
      pass(everyMs)
    }
    t.equal(lockedFor(lockout, 'clumsy', 'x'), 0)
  })

  t.test(`${name}: what was proved from a source goes on there during a lock, for an hour`, async (t) => {
    const setting = setUp(100)
    const { lockout, pass } = setting
    lockout.proved('gateway', 'good')
    const relock = (): void => {
      pass(LOCKOUT_MS)
      lockout.failed('gateway')
    }
    failUntilLocked(setting, 'gateway')
    t.equal(lockedFor(lockout, 'gateway', 'good'), 0)
    t.ok(lockedFor(lockout, 'gateway', 'other') > 0)
    t.equal(lockedFor(lockout, 'elsewhere', 'good'), 0)
    failUntilLocked(setting, 'elsewhere')
    t.ok(lockedFor(lockout, 'elsewhere', 'good') > 0, 'proved from another source')
    for (let elapsed = 0; elapsed < PROVEN_MS; elapsed += LOCKOUT_MS) relock()
    t.ok(lockedFor(lockout, 'gateway', 'good') > 0, 'a proof of an hour ago counts no more')
  })

  t.test(`${name}: sources beyond the bound share a bucket, and a proof among them spares them all`, async (t) => {
    const setting = setUp(4)
    const { lockout } = setting
    for (let index = 0; index < 4; index += 1) failUntilLocked(setting, `crowd-${index}`)
    failUntilLocked(setting, 'one-more')
    t.ok(lockedFor(lockout, 'two-more', 'x') > 0, 'they share the lock too')
    for (let index = 0; index < 5; index += 1) lockout.proved(`honest-${index}`, 'key')
    t.equal(lockedFor(lockout, 'two-more', 'x'), 0)
  })
}
