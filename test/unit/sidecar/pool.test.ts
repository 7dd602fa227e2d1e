import { once } from 'node:events'
import { type Duplex, duplexPair } from 'node:stream'
import t from 'tap'
import { type ClientConnection, NO_BODY, type RequestHead, type ResponseSink } from '../../../src/http/exchange.ts'
import { H1ClientConnection } from '../../../src/http/h1/client.ts'
import { noHeaders } from '../../../src/http/headers.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import {
  type Dialled,
  type PooledConnection,
  type PoolOptions,
  UpstreamPool,
  type Waiter,
} from '../../../src/sidecar/upstream/pool.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { testLimits } from '../../fixtures/http.ts'

const head: RequestHead = {
  method: 'GET',
  authority: 'api',
  target: '/',
  headers: noHeaders,
  bodyLength: NO_BODY,
  upgrade: undefined,
  acceptsTrailers: false,
  version: 'HTTP/1.1',
}

type Connected = Extract<Dialled, { kind: 'connected' }>

/** A request that wants a connection, and what became of it. */
class Asker implements Waiter {
  gone = false
  connection: ClientConnection | undefined
  failure: string | undefined

  connected(connection: ClientConnection): void {
    this.connection = connection
  }

  failed(code: string): void {
    this.failure = code
  }

  get state(): string {
    return this.failure ?? (this.connection === undefined ? 'waits' : 'connected')
  }
}

/** A pool whose connections are opened by hand. */
class Bench {
  readonly clock = new TestClock()
  readonly sweep = new Sweep(this.clock)
  readonly dials: ((result: Dialled) => void)[] = []
  active = 0
  readonly pool: UpstreamPool

  constructor(options: Partial<PoolOptions> = {}) {
    this.pool = new UpstreamPool({
      dial: (done) => void this.dials.push(done),
      speak: (socket, events) =>
        new H1ClientConnection(socket, {
          limits: testLimits,
          sweep: this.sweep,
          randomHex: (bytes) => '07'.repeat(bytes),
          onFault: () => {},
          ...events,
        }),
      multiplexed: false,
      keepsIdle: true,
      maxConnections: 2,
      queueTimeoutMs: 1000,
      sweep: this.sweep,
      clock: this.clock,
      active: { set: () => {}, add: (by) => void (this.active += by) },
      ...options,
    })
  }

  ask(): Asker {
    const asker = new Asker()
    this.pool.acquire(asker)
    return asker
  }

  /** The oldest dial succeeds. Returns our end of the connection; the other end answers each request, or nothing. */
  connect({ silent = false, ...dialled }: Partial<Connected> & { silent?: boolean } = {}): Duplex {
    const [socket, server] = duplexPair()
    server.on('error', () => {}).resume()
    if (!silent) server.on('data', () => server.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'))
    this.dials.shift()!({ kind: 'connected', socket, ...dialled })
    return socket
  }

  /** The oldest dial fails. */
  fail(): void {
    this.dials.shift()!({ kind: 'failed', code: 'upstream-unreachable', message: 'refused' })
  }
}

/** One exchange, to its end. */
function exchange({ connection }: Asker): Promise<void> {
  return new Promise((resolve, reject) => {
    const sink: ResponseSink = {
      informational: () => {},
      responseHead: () => {},
      responseData: () => true,
      responseEnd: () => resolve(),
      responseAborted: ({ message }) => reject(new Error(message)),
      requestDrained: () => {},
    }
    connection!.request(head, sink).end(noHeaders)
  })
}

async function closed(stream: Duplex): Promise<void> {
  if (!stream.destroyed) await once(stream, 'close')
  await settled()
}

/** Lets what was written and closed in memory arrive. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
}

t.test('the connection used last is used first', async (t) => {
  const bench = new Bench()
  const [first, second] = [bench.ask(), bench.ask()]
  bench.connect()
  bench.connect()
  t.not(first.connection, second.connection)
  await exchange(first)
  await exchange(second)
  const third = bench.ask()
  t.equal(third.connection, second.connection)
  t.equal(bench.dials.length, 0)
  t.equal(bench.active, 2)
  t.equal(bench.pool.load, 1)
})

t.test('no more than maxConnections, and the others wait their turn', async (t) => {
  const bench = new Bench()
  const askers = Array.from({ length: 5 }, () => bench.ask())
  t.equal(bench.dials.length, 2)
  bench.connect()
  bench.connect()
  t.same(
    askers.map(({ state }) => state),
    ['connected', 'connected', 'waits', 'waits', 'waits'],
  )
  t.equal(bench.pool.load, 5)
  await exchange(askers[1]!)
  t.equal(askers[2]!.connection, askers[1]!.connection)
  t.equal(askers[3]!.state, 'waits')
  await exchange(askers[0]!)
  t.equal(askers[3]!.connection, askers[0]!.connection)
})

t.test('who waits too long is told that all connections are busy', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  bench.ask()
  bench.connect()
  const late = bench.ask()
  bench.clock.advance(999)
  t.equal(late.state, 'waits')
  bench.clock.advance(1001)
  t.equal(late.state, 'upstream-busy')
  t.equal(bench.pool.load, 1)
})

t.test('a slow dial is bounded by its own time-out, not by the one of the queue', async (t) => {
  const bench = new Bench()
  const asker = bench.ask()
  bench.clock.advance(4000)
  t.equal(asker.state, 'waits')
  bench.connect()
  t.equal(asker.state, 'connected')
})

t.test('a dial that fails fails the request, and the next in the queue gets a dial of its own', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  const [first, second] = [bench.ask(), bench.ask()]
  bench.fail()
  t.equal(first.state, 'upstream-unreachable')
  t.equal(second.state, 'waits')
  t.equal(bench.dials.length, 1)
  bench.fail()
  t.equal(second.state, 'upstream-unreachable')
  t.equal(bench.dials.length, 0)
})

t.test('a connection that ends makes room for the next', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  const first = bench.ask()
  const socket = bench.connect({ silent: true })
  const second = bench.ask()
  const broken = exchange(first)
  socket.destroy()
  await t.rejects(broken)
  await settled()
  t.equal(bench.active, 0)
  bench.connect()
  t.equal(second.state, 'connected')
})

t.test('whoever has gone gets nothing, and takes nothing from others', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  const [gone, here] = [bench.ask(), bench.ask()]
  gone.gone = true
  bench.connect()
  t.equal(gone.state, 'waits')
  t.equal(here.state, 'connected')
  // A queue of those who have gone is emptied by the sweep.
  for (let count = 0; count < 1000; count += 1) bench.ask().gone = true
  t.equal(bench.pool.load, 1001)
  bench.clock.advance(1000)
  t.equal(bench.pool.load, 1)
})

t.test('a pool that keeps nothing closes what nobody waits for any more', async (t) => {
  const bench = new Bench({ keepsIdle: false })
  bench.ask().gone = true
  const socket = bench.connect()
  await closed(socket)
  t.equal(bench.active, 0)
  const asker = bench.ask()
  bench.connect()
  t.equal(asker.state, 'connected')
})

t.test('acquireFresh passes over what lies idle', async (t) => {
  const bench = new Bench()
  const first = bench.ask()
  bench.connect()
  await exchange(first)
  const again = new Asker()
  bench.pool.acquireFresh(again)
  t.equal(again.state, 'waits')
  bench.connect()
  t.not(again.connection, first.connection)
})

t.test('retire closes what is idle now and the rest after its exchange', async (t) => {
  const bench = new Bench()
  const [first, second] = [bench.ask(), bench.ask()]
  const idle = bench.connect()
  const busy = bench.connect()
  await exchange(first)
  const running = exchange(second)
  bench.pool.retire()
  await closed(idle)
  await running
  await closed(busy)
  t.equal(bench.active, 0)
  t.equal(bench.ask().state, 'waits')
  t.equal(bench.dials.length, 1)
})

t.test('what was dialled before a retire is not used', async (t) => {
  const bench = new Bench()
  const asker = bench.ask()
  bench.pool.retire()
  const stale = bench.connect()
  t.equal(asker.state, 'waits')
  await closed(stale)
  t.equal(bench.dials.length, 1)
  // Why an older dial failed says nothing either.
  bench.pool.retire()
  bench.fail()
  t.equal(asker.state, 'waits')
  bench.connect()
  t.equal(asker.state, 'connected')
})

t.test('a closed pool finishes what it carries and takes nothing new', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  const first = bench.ask()
  const socket = bench.connect()
  const second = bench.ask()
  const running = exchange(first)
  bench.pool.close()
  t.equal(second.state, 'no-endpoint')
  t.equal(bench.ask().state, 'no-endpoint')
  await running
  await closed(socket)
  t.equal(bench.active, 0)
})

t.test('a destroyed pool cuts what it carries, and what is still being opened', async (t) => {
  const bench = new Bench()
  const first = bench.ask()
  const socket = bench.connect({ silent: true })
  const second = bench.ask()
  const broken = exchange(first)
  bench.pool.destroy()
  await t.rejects(broken)
  await closed(socket)
  t.equal(second.state, 'no-endpoint')
  const late = bench.connect()
  await closed(late)
  t.equal(bench.dials.length, 0)
})

t.test('a connection is ended by whoever follows it', async (t) => {
  const bench = new Bench()
  const followed: PooledConnection[] = []
  let stopped = 0
  const follow = (connection: PooledConnection): (() => void) => {
    followed.push(connection)
    return () => void (stopped += 1)
  }
  const first = bench.ask()
  const socket = bench.connect({ follow, silent: true })
  const cut = exchange(first)
  followed[0]!.close()
  await settled()
  t.equal(bench.active, 1, 'the exchange under way goes on')
  followed[0]!.destroy()
  await t.rejects(cut)
  await closed(socket)
  t.equal(stopped, 1)

  const second = bench.ask()
  const idle = bench.connect({ follow })
  await exchange(second)
  followed[1]!.close()
  t.equal(bench.ask().state, 'waits')
  await closed(idle)
  t.equal(stopped, 2)
})
