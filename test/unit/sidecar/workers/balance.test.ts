import t from 'tap'
import { Connections, type OpenConnection } from '../../../../src/sidecar/connections.ts'
import { Balancer, chooseMoves, clearLoad, loadsMemory } from '../../../../src/sidecar/workers/balance.ts'
import { TestClock } from '../../../fixtures/clock.ts'

t.test('what is given away makes the threads more even', async (t) => {
  t.same(chooseMoves([50, 50], 1, 0), [0], 'one of two')
  t.same(chooseMoves([100], 1, 0), [], 'all there is would only change sides')
  t.same(chooseMoves([90, 10], 1, 0), [1], 'and so would nearly all')
  t.same(chooseMoves([10, 20, 30, 40], 1, 0.2), [3], 'a large one rather than many')
  t.same(chooseMoves(Array(20).fill(5), 0.9, 0.5), [0, 1, 2, 3], 'until the difference is small')
  t.same(chooseMoves([50, 50], 1, 0.95), [], 'it is small')
  t.same(chooseMoves([50, 50], 0.35, 0), [], 'there is no need')
  t.same(chooseMoves([50, 50], 1, Number.POSITIVE_INFINITY), [], 'nobody else is there')
  t.same(chooseMoves([0, 0], 1, 0), [], 'it is not the requests')
  t.same(chooseMoves([], 1, 0), [])
})

class FakeConnection implements OpenConnection {
  readonly listener = 'inbound'
  readonly remote = '127.0.0.1:1'
  readonly peer = 'peer'
  readonly openedAtMs = 0
  readonly expiresAtMs = 0
  readonly authorities = []
  requests = 0
  retired = 0

  retire(): void {
    this.retired += 1
  }

  close(): void {}

  destroy(): void {}
}

t.test('once a second, by what came since the last look', async (t) => {
  const clock = new TestClock()
  const memory = loadsMemory(2)
  const connections = [new Connections(), new Connections()]
  const busy = [1, 0.1]
  let moved = 0
  const balancers = connections.map(
    (of, worker) =>
      new Balancer({
        memory,
        worker,
        clock,
        connections: of,
        busy: () => busy[worker]!,
        moved: { inc: () => (moved += 1) },
      }),
  )
  const [quiet, steady, late] = [new FakeConnection(), new FakeConnection(), new FakeConnection()]
  for (const connection of [quiet, steady, late]) connections[0]!.add(connection)
  steady.requests = 100
  quiet.requests = 100
  clock.advance(1000)
  t.equal(moved, 0, 'of the other nothing is known before its first look')
  steady.requests += 100
  late.requests += 100
  clock.advance(999)
  t.equal(moved, 0)
  clock.advance(1)
  t.same([quiet.retired, steady.retired, late.retired, moved], [0, 1, 0, 1])

  clearLoad(memory, 1)
  balancers[1]!.close()
  steady.requests += 100
  late.requests += 100
  clock.advance(1000)
  t.equal(moved, 1, 'a thread that has ended takes nothing')
  balancers[0]!.close()
  t.equal(clock.pending, 0)
})
