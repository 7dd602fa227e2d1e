import t from 'tap'
import { OutriderError } from '../../../src/lib/errors.ts'
import { OwnBuckets } from '../../../src/ratelimit/buckets.ts'
import type { ClientDuplex } from '../../../src/rpc/client.ts'
import { Snapshot } from '../../../src/sidecar/snapshot/snapshot.ts'
import { Subscription } from '../../../src/sidecar/snapshot/subscribe.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { sidecarMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import type { PolicyUpdate__Output } from '../../../src/wire/outrider/policy/v1/PolicyUpdate.ts'
import type { SubscribeRequest } from '../../../src/wire/outrider/policy/v1/SubscribeRequest.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { allow, Inbox, update, workloadOf } from '../../fixtures/sidecar.ts'

/** The server's end of one stream. */
class FakeStream implements ClientDuplex<SubscribeRequest, PolicyUpdate__Output> {
  readonly sent: SubscribeRequest[] = []
  finished = false
  cancelled = false
  #message: (update: PolicyUpdate__Output) => void = () => {}
  #ended: (error: OutriderError | undefined) => void = () => {}

  send(message: SubscribeRequest): void {
    this.sent.push(message)
  }

  finish(): void {
    this.finished = true
  }

  cancel(): void {
    this.cancelled = true
    this.end(new OutriderError('cancelled', 'cancelled'))
  }

  onMessage(listener: (update: PolicyUpdate__Output) => void): void {
    this.#message = listener
  }

  onEnd(listener: (error: OutriderError | undefined) => void): void {
    this.#ended = listener
  }

  push(update: PolicyUpdate__Output): void {
    this.#message(update)
  }

  end(error?: OutriderError): void {
    const tell = this.#ended
    this.#ended = () => {}
    tell(error)
  }
}

interface Bench {
  readonly clock: TestClock
  readonly snapshot: Snapshot
  readonly streams: FakeStream[]
  readonly subscription: Subscription
  readonly lines: Inbox<Record<string, unknown>>
  /** How often the control server wanted reports of our health. */
  readonly asked: readonly number[]
  readonly connected: () => Promise<boolean>
}

function start(whenInForce: (then: () => void) => void = (then) => then()): Bench {
  const clock = new TestClock()
  const lines = new Inbox<Record<string, unknown>>()
  const log = createLogger({
    name: 'sidecar',
    level: 'info',
    clock,
    sink: { write: (line: string) => lines.push(JSON.parse(line)) },
  })
  const registry = createMetrics(sidecarMetrics, clock)
  t.teardown(() => registry.destroy())
  const snapshot = new Snapshot(clock, new OwnBuckets(), registry.metrics, log)
  const streams: FakeStream[] = []
  const asked: number[] = []
  const subscription = new Subscription({
    open: () => {
      const stream = new FakeStream()
      streams.push(stream)
      return stream
    },
    snapshot,
    whenInForce,
    onHealthAsked: (everyMs) => void asked.push(everyMs),
    sidecarId: 'one',
    programVersion: '1.2.3',
    clock,
    // No jitter: 0.5 is the middle.
    random: () => 0.5,
  })
  return {
    clock,
    snapshot,
    streams,
    subscription,
    lines,
    asked,
    connected: async () => /^outrider_control_connected 1$/m.test(await registry.expose()),
  }
}

const listener = { appPort: 8080, address: '10.0.0.1', port: 15406 }
const unavailable = new OutriderError('unavailable', 'the server has gone', { retryable: true })

t.test('hello, updates and their answers', async (t) => {
  const { streams, snapshot, subscription, connected } = start()
  const [stream] = streams
  t.strictSame(stream!.sent, [{ hello: { sidecarId: 'one', programVersion: '1.2.3', held: [], revision: 0 } }])
  t.equal(await connected(), false)
  stream!.push(update(1, [workloadOf('api'), allow('all')]))
  t.match(stream!.sent[1], { ack: { nonce: 'n1', revision: 1 } })
  t.equal(snapshot.revision, 1)
  t.equal(await connected(), true)
  subscription.listening([listener])
  t.strictSame(stream!.sent[2], { listening: { listeners: [listener] } })
  subscription.draining()
  t.strictSame(stream!.sent[3], { draining: {} })
  subscription.close()
  t.ok(stream!.finished)
  t.ok(stream!.cancelled)
})

t.test('a lost stream is opened again with what is held, and the policy stays in force', async (t) => {
  const { streams, snapshot, subscription, clock, lines, connected } = start()
  streams[0]!.push(update(1, [workloadOf('api'), allow('all')]))
  subscription.listening([listener])
  const { current } = snapshot.policy
  streams[0]!.end(unavailable)
  t.equal(snapshot.policy.current, current)
  t.equal(await connected(), false)
  t.match(await lines.take(({ level }) => level === 'warn'), { reason: 'the server has gone', retryInMs: 100 })
  clock.advance(99)
  t.equal(streams.length, 1)
  clock.advance(1)
  t.match(streams[1]!.sent, [
    {
      hello: {
        held: [
          { name: { kind: 'Workload', name: 'api' }, revision: 1 },
          { name: { kind: 'AuthorizationPolicy', name: 'all' }, revision: 1 },
        ],
      },
    },
    { listening: { listeners: [listener] } },
  ])
  subscription.close()
})

t.test('the policy is in step while its stream is open, and ages when it is not', async (t) => {
  const { streams, snapshot, subscription, clock } = start()
  t.match(snapshot, { source: 'none', inStep: false, ageMs: undefined, syncedAtMs: undefined })
  streams[0]!.push(update(1, [workloadOf('api'), allow('all')]))
  clock.advance(5_000)
  t.match(snapshot, { source: 'control', inStep: true, ageMs: 0, syncedAtMs: clock.now(), leftMs: undefined })
  streams[0]!.end(unavailable)
  const lostAtMs = clock.now()
  clock.advance(100)
  t.match(snapshot, { source: 'control', inStep: false, ageMs: 100, syncedAtMs: lostAtMs, leftMs: undefined })
  streams[1]!.end(unavailable)
  clock.advance(200)
  t.equal(snapshot.ageMs, 300, 'a stream that brings nothing changes nothing')
  streams[2]!.push(update(1, []))
  t.match(snapshot, { inStep: true, ageMs: 0 })
  subscription.close()
})

t.test('a control server that refuses is told from one that is not there', async (t) => {
  const { streams, subscription, clock } = start()
  const refusal = new OutriderError('identity-revoked', 'revoked')
  for (const [error, expected] of [
    [unavailable, undefined],
    [refusal, refusal],
    [new OutriderError('rpc-unimplemented', 'something else answers'), undefined],
    [undefined, undefined],
    [refusal, refusal],
  ] as const) {
    streams.at(-1)!.end(error)
    t.equal(subscription.refusal, expected)
    clock.advance(5_000)
    t.equal(subscription.refusal, expected, 'until something else is known')
  }
  streams.at(-1)!.push(update(1, [workloadOf('api')]))
  t.equal(subscription.refusal, undefined)
  subscription.close()
})

t.test('what could not be read is asked for again', async (t) => {
  const { streams, subscription, clock } = start()
  const broken = { name: { kind: 'AuthorizationPolicy', namespace: 'default', name: 'broken' }, revision: 1 }
  streams[0]!.push(update(1, [workloadOf('api'), broken]))
  t.match(streams[0]!.sent[1], { nack: { revision: 1, violations: [{ resource: broken.name }] } })
  streams[0]!.end(unavailable)
  clock.advance(100)
  t.match(streams[1]!.sent, [{ hello: { held: [{ revision: 1 }, { name: broken.name, revision: 0 }] } }])
  subscription.close()
})

t.test('retries back off to five seconds, and begin anew after an update', async (t) => {
  const { streams, clock, subscription } = start()
  const waits: number[] = []
  for (let round = 0; round < 8; round += 1) {
    streams.at(-1)!.end(unavailable)
    const before = clock.monotonic()
    const opened = streams.length
    while (streams.length === opened) clock.advance(100)
    waits.push(clock.monotonic() - before)
  }
  t.same(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000])
  streams.at(-1)!.push(update(1, [workloadOf('api')]))
  streams.at(-1)!.end()
  clock.advance(100)
  t.equal(streams.length, 10)
  subscription.close()
})

t.test('who is draining says so again on a new stream, and is not listening any more', async (t) => {
  const { streams, clock, subscription } = start()
  subscription.listening([listener])
  streams[0]!.end(unavailable)
  subscription.draining()
  clock.advance(100)
  t.match(streams[1]!.sent, [{ hello: {} }, { draining: {} }])
  t.equal(streams[1]!.sent.length, 2)
  subscription.close()
})

t.test('after close nothing is opened', async (t) => {
  const { streams, clock, subscription } = start()
  subscription.close()
  clock.advance(60_000)
  t.equal(streams.length, 1)
  t.equal(clock.pending, 0)

  const waiting = start()
  waiting.streams[0]!.end(unavailable)
  waiting.subscription.close()
  waiting.clock.advance(60_000)
  t.equal(waiting.streams.length, 1)
})

t.test('an update is acknowledged when it is in force everywhere, on the stream that brought it', async (t) => {
  const waiting: (() => void)[] = []
  const { streams, clock, subscription } = start((inForce) => waiting.push(inForce))
  const [first] = streams
  first!.push(update(1, [workloadOf('api'), allow('all')]))
  t.equal(first!.sent.length, 1, 'only the hello')
  waiting.shift()?.()
  t.match(first!.sent[1], { ack: { revision: 1 } })
  first!.push(update(2, [allow('more')]))
  first!.end(unavailable)
  clock.advance(100)
  waiting.shift()?.()
  t.equal(first!.sent.length, 2)
  t.match(streams[1]!.sent, [{ hello: {} }], 'whose hello says what is held')
  t.equal(streams[1]!.sent.length, 1)
  subscription.close()
})
