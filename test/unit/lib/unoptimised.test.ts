import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'
import t from 'tap'
import { unoptimised } from '../../../src/lib/unoptimised.ts'

/** A bit of `%GetOptimizationStatus`: code of Maglev or TurboFan is there. */
const OPTIMIZED = 1 << 4
/** Far more than V8 asks for. */
const CALLS = 100_000

setFlagsFromString('--allow-natives-syntax')
// Not on another thread, whose turn may come late: when V8 decides to optimise, it is done.
setFlagsFromString('--no-concurrent-recompilation')
const statusOf: unknown = runInThisContext('(f) => %GetOptimizationStatus(f)')

/** Calls a new function until it is optimised, or a hundred thousand times. */
function optimises(): boolean {
  if (typeof statusOf !== 'function') throw new Error('V8 tells no status')
  let sum = 0
  const add = (by: number): void => {
    sum = (sum + by) % 1000
  }
  for (let call = 0; call < CALLS; call += 1) {
    add(call)
    if ((Number(statusOf(add)) & OPTIMIZED) !== 0) return true
  }
  return false
}

t.test('nothing is optimised while it works, and everything after', async (t) => {
  t.equal(await unoptimised(async () => optimises()), false, 'meanwhile')
  t.equal(optimises(), true, 'after')
})

t.test('a failure passes through, and ends it too', async (t) => {
  await t.rejects(
    unoptimised(async () => {
      throw new Error('no')
    }),
    { message: 'no' },
  )
  t.equal(optimises(), true)
})
