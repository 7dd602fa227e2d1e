import { type Duplex, duplexPair } from 'node:stream'
import t from 'tap'
import { BodyBudget } from '../../../src/http/body-budget.ts'
import {
  type ClientConnection,
  type ClientStream,
  NO_BODY,
  type RequestHead,
  type ServerStream,
} from '../../../src/http/exchange.ts'
import { sayFarewell } from '../../../src/http/farewell.ts'
import { H2ClientConnection } from '../../../src/http/h2/client.ts'
import { H2ServerConnection } from '../../../src/http/h2/server.ts'
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
  version: 'HTTP/2',
}

/** A request that wants a connection, and what became of it. */
class Asker implements Waiter {
  gone = false
  connection: ClientConnection | undefined
  stream: ClientStream | undefined
  outcome = 'waits'

  connected(connection: ClientConnection): void {
    this.connection = connection
    this.outcome = 'sent'
    this.stream = connection.request(head, {
      informational: () => {},
      responseHead: () => {},
      responseData: () => true,
      responseEnd: () => void (this.outcome = 'answered'),
      responseAborted: ({ code, replay }) => void (this.outcome = `${code} ${replay}`),
      requestDrained: () => {},
    })
    this.stream.end(noHeaders)
  }

  failed(code: string): void {
    this.outcome = code
  }
}

type Connected = Extract<Dialled, { kind: 'connected' }>

/** The server's end of one connection. */
interface Served {
  readonly server: H2ServerConnection
  readonly client: Duplex
  /** Requests that it has not answered. */
  readonly requests: ServerStream[]
  closed: boolean
}

/** A pool of HTTP/2 connections that are opened by hand, to servers in memory. */
class Bench {
  readonly clock = new TestClock()
  readonly sweep = new Sweep(this.clock)
  readonly budget = new BodyBudget(1_000_000)
  readonly dials: ((result: Dialled) => void)[] = []
  active = 0
  readonly pool: UpstreamPool

  constructor(options: Partial<PoolOptions> = {}) {
    const { sweep, budget } = this
    this.pool = new UpstreamPool({
      dial: (done) => void this.dials.push(done),
      speak: (socket, events) =>
        new H2ClientConnection(socket, {
          limits: testLimits,
          sweep,
          budget,
          scheme: 'http',
          onFault: () => {},
          ...events,
        }),
      multiplexed: true,
      keepsIdle: true,
      maxConnections: 2,
      queueTimeoutMs: 1000,
      sweep,
      clock: this.clock,
      active: { set: () => {}, add: (by) => void (this.active += by) },
      ...options,
    })
  }

  ask(count: number): Asker[] {
    return Array.from({ length: count }, () => {
      const asker = new Asker()
      this.pool.acquire(asker)
      return asker
    })
  }

  /** The oldest dial succeeds, and the server greets. */
  async connect({ streams = 1000, ...dialled }: Partial<Connected> & { streams?: number } = {}): Promise<Served> {
    const [client, server] = duplexPair()
    const requests: ServerStream[] = []
    const served: Served = {
      client,
      requests,
      closed: false,
      server: new H2ServerConnection(server, {
        limits: { ...testLimits, maxConcurrentStreams: streams },
        sweep: this.sweep,
        budget: this.budget,
        handler: (_head, stream) => {
          requests.push(stream)
          return { requestData: () => true, requestEnd: () => {}, requestAborted: () => {}, responseDrained: () => {} }
        },
        onFault: () => {},
        onClosed: () => void (served.closed = true),
      }),
    }
    this.dials.shift()!({ kind: 'connected', socket: client, ...dialled })
    await settled()
    return served
  }

  fail(): void {
    this.dials.shift()!({ kind: 'failed', code: 'upstream-unreachable', message: 'refused' })
  }
}

async function answer({ requests }: Served, count: number): Promise<void> {
  for (const stream of requests.splice(0, count)) {
    stream.respond({ status: 200, headers: noHeaders, bodyLength: 0, close: false })
    stream.end(noHeaders)
  }
  await settled()
}

/** Lets what was written in memory arrive, and its answers, and theirs. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }
}

/** How many of them have come to what. */
function outcomes(askers: readonly Asker[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { outcome } of askers) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

t.test('whoever asks while a connection is being opened shares it', async (t) => {
  const bench = new Bench()
  const askers = bench.ask(50)
  t.equal(bench.dials.length, 1)
  const first = await bench.connect()
  t.same(outcomes(askers), { sent: 50 })
  t.equal(bench.dials.length, 0, 'one is enough')
  t.equal(bench.pool.load, 50)
  await answer(first, 50)
  t.same(outcomes(askers), { answered: 50 })
  t.equal(bench.pool.load, 0)
  t.same(outcomes(bench.ask(1)), { sent: 1 })
  t.equal(bench.active, 1)
})

t.test('before the server has greeted nothing is sent', async (t) => {
  const bench = new Bench()
  const askers = bench.ask(1)
  const [client] = duplexPair()
  bench.dials.shift()!({ kind: 'connected', socket: client })
  await settled()
  t.same(outcomes(askers), { waits: 1 })
  t.equal(bench.dials.length, 0)
  client.destroy()
  await settled()
  t.same(outcomes(askers), { 'upstream-unreachable': 1 })
  t.equal(bench.active, 0)
})

t.test('a connection that carries much gets another beside it, and the less loaded one is used', async (t) => {
  const bench = new Bench()
  bench.ask(1)
  const first = await bench.connect()
  bench.ask(254)
  t.equal(bench.dials.length, 0)
  bench.ask(1)
  t.equal(bench.dials.length, 1, 'at 256')
  bench.ask(20)
  t.equal(bench.dials.length, 1, 'one at a time')
  const second = await bench.connect()
  t.equal(first.requests.length, 276)
  const later = bench.ask(200)
  await settled()
  t.equal(second.requests.length, 200)
  t.equal(new Set(later.map(({ connection }) => connection)).size, 1)
  bench.ask(1000)
  await settled()
  t.equal(bench.dials.length, 0, 'no more than maxConnections')
  t.ok(Math.abs(first.requests.length - second.requests.length) <= 1, 'and both carry as much')
})

t.test('what the server allows at once bounds a connection, not the pool', async (t) => {
  const bench = new Bench()
  const askers = bench.ask(25)
  const first = await bench.connect({ streams: 10 })
  t.same(outcomes(askers), { sent: 10, waits: 15 })
  t.equal(bench.dials.length, 1, 'for those who wait')
  const second = await bench.connect({ streams: 10 })
  t.same(outcomes(askers), { sent: 20, waits: 5 })
  t.equal(bench.dials.length, 0)
  await answer(first, 2)
  await answer(second, 1)
  t.same(outcomes(askers), { answered: 3, sent: 20, waits: 2 })
  t.equal(bench.pool.load, 22)
  bench.clock.advance(2000)
  t.same(outcomes(askers), { answered: 3, sent: 20, 'upstream-busy': 2 })
  await answer(first, 10)
  await answer(second, 10)
  t.same(outcomes(bench.ask(21)), { sent: 20, waits: 1 })
})

t.test('the time to open a connection does not count as waiting for room', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  const askers = bench.ask(3)
  bench.clock.advance(10_000)
  t.same(outcomes(askers), { waits: 3 })
  await bench.connect({ streams: 1 })
  t.same(outcomes(askers), { sent: 1, waits: 2 })
  bench.clock.advance(900)
  t.same(outcomes(askers), { sent: 1, waits: 2 })
  bench.clock.advance(1600)
  t.same(outcomes(askers), { sent: 1, 'upstream-busy': 2 })
})

t.test('a dial that fails fails all who wait for it, and nobody else', async (t) => {
  const bench = new Bench()
  const askers = bench.ask(5)
  bench.fail()
  t.same(outcomes(askers), { 'upstream-unreachable': 5 })
  t.equal(bench.dials.length, 0)
  const others = bench.ask(256)
  await bench.connect()
  t.equal(bench.dials.length, 0)
  const last = bench.ask(1)
  bench.fail()
  t.same(outcomes([...others, ...last]), { sent: 257 })
})

t.test('a server that goes away keeps what it has taken; the rest goes elsewhere', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  const before = bench.ask(3)
  const first = await bench.connect()
  first.server.close()
  await settled()
  const after = bench.ask(2)
  t.same(outcomes(after), { waits: 2 })
  t.equal(bench.dials.length, 1, 'what is leaving counts no more')
  const second = await bench.connect()
  t.same(outcomes([...before, ...after]), { sent: 5 })
  t.equal(bench.active, 2)
  await answer(first, 3)
  await answer(second, 2)
  t.same(outcomes([...before, ...after]), { answered: 5 })
  bench.clock.advance(2000)
  await settled()
  t.ok(first.closed)
  t.notOk(second.closed)
  t.equal(bench.active, 1)
})

t.test('what the server refused without looking at it may be sent again', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  bench.ask(1)
  const first = await bench.connect()
  // On their way when the server says that it takes no more.
  first.server.close()
  const late = bench.ask(2)
  t.same(outcomes(late), { sent: 2 })
  await settled()
  t.same(outcomes(late), { 'upstream-gone safe': 2 })
  t.equal(first.requests.length, 1)
})

t.test('retire: new requests go to new connections at once, however long the older ones live', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  const eras: Served[] = []
  const askers: Asker[] = []
  for (let era = 0; era < 4; era += 1) {
    askers.push(...bench.ask(1))
    t.equal(bench.dials.length, 1)
    eras.push(await bench.connect())
    bench.pool.retire()
    await settled()
  }
  t.same(outcomes(askers), { sent: 4 })
  t.equal(bench.active, 4)
  for (const era of eras) await answer(era, 1)
  bench.clock.advance(2000)
  await settled()
  t.same(outcomes(askers), { answered: 4 })
  t.equal(bench.active, 0)
})

t.test('what was being opened when the pool was retired is not used', async (t) => {
  const bench = new Bench()
  const askers = bench.ask(2)
  bench.pool.retire()
  const [client] = duplexPair()
  bench.dials.shift()!({ kind: 'connected', socket: client })
  t.ok(client.destroyed)
  t.same(outcomes(askers), { waits: 2 })
  await bench.connect()
  t.same(outcomes(askers), { sent: 2 })
})

t.test('a connection is ended by whoever follows it, and replaced before', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  const askers = bench.ask(1)
  let followed: PooledConnection | undefined
  let stopped = 0
  const follow = (connection: PooledConnection): (() => void) => {
    followed = connection
    return () => void (stopped += 1)
  }
  const first = await bench.connect({ follow })
  followed!.close()
  askers.push(...bench.ask(1))
  t.same(outcomes(askers), { sent: 1, waits: 1 })
  await bench.connect()
  t.same(outcomes(askers), { sent: 2 })
  t.equal(stopped, 0)
  followed!.destroy({ code: 'identity-expired', message: 'the certificate has expired' })
  await settled()
  t.same(outcomes(askers), { 'identity-expired never': 1, sent: 1 })
  t.ok(first.client.destroyed)
  t.equal(stopped, 1)
})

t.test('whoever waits for a connection hears why the server does not accept us, once', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  const askers = bench.ask(3)
  const [client, server] = duplexPair()
  const heard: string[] = []
  const word = {
    refusal: undefined as string | undefined,
    goingAway(error: number, debug: string): void {
      heard.push(`${error} ${debug}`)
      this.refusal = 'expired: long ago'
    },
  }
  bench.dials.shift()!({ kind: 'connected', socket: client, word })
  sayFarewell(server, 'http2-server', 'expired', 'outrider: expired: long ago', bench.clock)
  await settled()
  await settled()
  t.same(heard, ['12 outrider: expired: long ago'])
  t.same(outcomes(askers), { 'peer-refused-us': 3 })
  t.equal(bench.dials.length, 0, 'nobody is left to dial for')
  bench.clock.advance(2000)
  await settled()
  t.equal(bench.active, 0)
  t.same(outcomes(bench.ask(1)), { waits: 1 })
  t.equal(bench.dials.length, 1, 'the next one tries again')
})

t.test('close and destroy', async (t) => {
  const bench = new Bench({ maxConnections: 1 })
  const [sent] = bench.ask(1)
  const first = await bench.connect({ streams: 1 })
  const [waits] = bench.ask(1)
  bench.pool.close()
  t.same(outcomes([sent!, waits!, ...bench.ask(1)]), { sent: 1, 'no-endpoint': 2 })
  await answer(first, 1)
  t.equal(sent!.outcome, 'answered')
  bench.clock.advance(2000)
  await settled()
  t.equal(bench.active, 0)

  const other = new Bench()
  const askers = other.ask(2)
  await other.connect()
  other.pool.destroy()
  await settled()
  t.same(outcomes(askers), { 'upstream-gone never': 1, 'upstream-gone idempotent': 1 })
  t.equal(other.active, 0)
})

t.test('whoever has gone gets nothing', async (t) => {
  const bench = new Bench()
  const askers = bench.ask(3)
  askers[0]!.gone = true
  await bench.connect()
  t.same(outcomes(askers), { waits: 1, sent: 2 })
  t.equal(bench.pool.load, 2)
})
