import t from 'tap'
import { clearTallies, talliesMemory, ThreadTallies } from '../../../../src/sidecar/workers/tallies.ts'

t.test('the threads count together, each tally with its like', async (t) => {
  const memory = talliesMemory(3)
  const threads = [0, 1, 2].map((worker) => new ThreadTallies(memory, worker))
  const requests = threads.map((tallies) => tallies.claim())
  const sockets = threads.map((tallies) => tallies.claim())
  for (const tally of requests) tally.add(1)
  sockets[1]!.add(1)
  sockets[1]!.add(1)
  for (const tally of requests) t.equal(tally.total, 3)
  for (const tally of sockets) t.equal(tally.total, 2)
  requests[0]!.add(-1)
  t.equal(requests[2]!.total, 2)

  clearTallies(memory, 1)
  t.same([requests[0]!.total, sockets[0]!.total], [1, 0], 'what a thread held that has ended is forgotten')
})

t.test('there are only so many', async (t) => {
  const tallies = new ThreadTallies(talliesMemory(1), 0)
  for (let n = 0; n < 512; n += 1) tallies.claim()
  t.throws(() => tallies.claim(), /512 tallies/)
})
