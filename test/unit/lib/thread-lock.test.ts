import t from 'tap'
import { LOCK_BYTES, releaseLock, ThreadLock } from '../../../src/lib/thread-lock.ts'
import type { LockTask } from '../../fixtures/threads/lock.ts'
import { runThreads } from '../../fixtures/threads/start.ts'

const ROUNDS = 200_000

t.test('only one thread at a time is between enter and leave', async (t) => {
  const lock = new SharedArrayBuffer(LOCK_BYTES)
  const sum = new SharedArrayBuffer(16)
  const tasks: LockTask[] = [1, 2, 3].map((holder) => ({ holder, lock, sum, rounds: ROUNDS }))
  await runThreads(t, './lock.ts', tasks)
  t.equal(new Float64Array(sum)[0], 3 * ROUNDS)
  t.same(new Int32Array(lock), new Int32Array([0, 0]), 'nobody holds it, nobody waits')
})

t.test('a thread that waits gets the lock when the holder has died and somebody says so', async (t) => {
  const lock = new SharedArrayBuffer(LOCK_BYTES)
  const sum = new SharedArrayBuffer(16)
  new ThreadLock(lock, 7).enter()
  let done = false
  const running = runThreads(t, './lock.ts', [{ holder: 1, lock, sum, rounds: 1 } satisfies LockTask]).then(() => {
    done = true
    return done
  })
  const words = new Int32Array(lock)
  while (Atomics.load(words, 1) === 0) await new Promise((resolve) => setImmediate(resolve))
  releaseLock(lock, 8)
  t.same([words[0], done], [7, false], 'another one is no reason')
  releaseLock(lock, 7)
  t.ok(await running)
  t.equal(new Float64Array(sum)[0], 1)
})
