import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import { Metadata, type ServerDuplexStream, status } from '@grpc/grpc-js'
import t from 'tap'
import { closedPolicy } from '../../../src/policy/closed.ts'
import { startApp } from '../../fixtures/app.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { begin, call, grpcClient, startGrpcApp } from '../../fixtures/grpc.ts'
import { nextTurn } from '../../fixtures/http.ts'
import { http2Client, startHttp2App } from '../../fixtures/http2.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  clientTls,
  deny,
  eventually,
  idOf,
  policyOf,
  rateLimit,
  send,
  service,
  startHop,
  startPair,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

const MIB = 1024 * 1024

t.test('calls of every kind, with binary metadata both ways', async (t) => {
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  let seen: Metadata | undefined
  const app = await startGrpcApp(t, {
    chat: (call) => {
      seen = call.metadata
      const initial = new Metadata()
      initial.add('first-bin', every)
      initial.add('first', 'begin')
      call.sendMetadata(initial)
      const last = new Metadata()
      last.add('last-bin', every)
      last.add('last-bin', Buffer.from('second'))
      call.on('data', (part: Buffer) => call.write(Buffer.concat([part, part])))
      call.on('end', () => call.end(last))
    },
  })
  const { web, api } = await startPair(t, app)
  const client = grpcClient(t, web.outbound)
  const metadata = new Metadata()
  metadata.add('some-bin', every)
  metadata.add('some-bin', Buffer.from('again'))
  metadata.add('text', 'with, comma')
  const { stream, outcome } = begin(client, 'Chat', metadata)
  for (const text of ['a', 'b', 'c']) stream.write(Buffer.from(text))
  stream.end()
  const { messages, initial, status: ended } = await outcome
  t.equal(ended.code, status.OK)
  t.strictSame(messages.map(String), ['aa', 'bb', 'cc'])
  t.strictSame(initial?.get('first-bin'), [every])
  t.strictSame(initial?.get('first'), ['begin'])
  t.strictSame(ended.metadata.get('last-bin'), [every, Buffer.from('second')])
  t.strictSame(seen?.get('some-bin'), [every, Buffer.from('again')])
  t.strictSame(seen?.get('text'), ['with, comma'])
  t.match(seen?.get('x-forwarded-client-cert')[0], new RegExp(`URI=${idOf('web')}$`))

  const one = await call(client)
  t.equal(one.status.code, status.OK)
  t.strictSame(one.messages.map(String), ['hello'])
  for (const sidecar of [web, api]) {
    t.match(await sidecar.records.take(), { protocol: 'HTTP/2', path: '/test.Echo/Chat', status: 200, code: undefined })
    t.match(await sidecar.records.take(), { method: 'POST', path: '/test.Echo/Unary' })
  }
})

t.test('messages of 10 MiB', async (t) => {
  const { web } = await startPair(t, await startGrpcApp(t))
  const client = grpcClient(t, web.outbound)
  const message = randomBytes(10 * MIB)
  for (const method of ['Unary', 'Chat']) {
    const { messages, status: ended } = await call(client, method, message)
    t.equal(ended.code, status.OK)
    t.ok(messages[0]?.equals(message), method)
  }
})

t.test('an error of the application passes unchanged', async (t) => {
  const app = await startGrpcApp(t, {
    unary: (_call, done) => {
      const metadata = new Metadata()
      metadata.add('detail-bin', Buffer.from([0, 255]))
      done({ code: status.FAILED_PRECONDITION, details: 'not today: 100 % ü', metadata })
    },
  })
  const { web } = await startPair(t, app)
  const { status: ended } = await call(grpcClient(t, web.outbound))
  t.match(ended, { code: status.FAILED_PRECONDITION, details: 'not today: 100 % ü' })
  t.strictSame(ended.metadata.get('detail-bin'), [Buffer.from([0, 255])])
})

t.test('a refusal is a status, with its reason in words and in a field', async (t) => {
  const app = await startGrpcApp(t)
  const { web, api } = await startPair(t, app, {
    policy: {
      policies: [allow('all'), deny('chat', { to: [{ paths: ['/test.Echo/Chat'] }] })],
      limits: [rateLimit('slow', { requests: 1, burst: 1 })],
    },
  })
  const client = grpcClient(t, web.outbound)
  const refused = async (code: number, reason: string, outcome: ReturnType<typeof call>): Promise<void> => {
    const { status: ended, messages, initial } = await outcome
    t.equal(ended.code, code, reason)
    t.match(ended.details, new RegExp(`^${reason}: `))
    t.strictSame(ended.metadata.get('x-outrider-refusal'), [reason])
    t.strictSame(messages, [])
    t.equal(initial, undefined, 'trailers only')
  }
  await refused(status.PERMISSION_DENIED, 'denied-by-rule', call(client, 'Chat'))
  t.match(await api.records.take(), { status: 403, code: 'denied-by-rule', path: '/test.Echo/Chat' })
  t.equal((await call(client)).status.code, status.OK)
  await refused(status.RESOURCE_EXHAUSTED, 'rate-limited', call(client))
  api.policy.set(closedPolicy('the test took it away'))
  await refused(status.UNAVAILABLE, 'policy-missing', call(client))
  await refused(status.UNIMPLEMENTED, 'service-unknown', call(grpcClient(t, web.outbound, 'nobody')))
  web.policy.set(policyOf({ workload: 'web', services: [service('api', app.port, [])] }))
  await refused(status.UNAVAILABLE, 'no-endpoint', call(client))

  const down = await startHop(t)
  await down.app.close()
  await refused(status.UNAVAILABLE, 'upstream-unreachable', call(grpcClient(t, down.web.outbound)))
})

t.test('a client that is still sending learns why it is refused', async (t) => {
  const { web, api } = await startPair(t, await startGrpcApp(t), { policy: {} })
  const { stream, outcome } = begin(grpcClient(t, web.outbound), 'Chat')
  for (let count = 0; count < 50; count += 1) stream.write(Buffer.alloc(10_000))
  const { status: ended } = await outcome
  t.match(ended, { code: status.PERMISSION_DENIED, details: /^no-allow-rule: / })
  await eventually(() => api.runtime.load.inFlight + web.runtime.load.inFlight === 0, 'it is over')
})

t.test('an application that speaks HTTP/1.1 alone cannot be called', async (t) => {
  const app = await startApp(t)
  const { web } = await startPair(t, app.address, { api: { inbound: { protocol: 'http1' } } })
  const { status: ended } = await call(grpcClient(t, web.outbound))
  t.match(ended, { code: status.UNIMPLEMENTED, details: /^protocol-mismatch: the application does not speak/ })
  t.same(app.seen, [])
  t.equal((await send(web.outbound)).status, 200, 'others may')
})

interface RawCall {
  readonly stream: ClientHttp2Stream
  /** Fields of the head and, where there are, of the trailers. */
  readonly ended: Promise<{ readonly head: IncomingHttpHeaders; readonly trailers: IncomingHttpHeaders | undefined }>
}

/** A call by a client that has no deadline of its own. */
function rawCall(session: ClientHttp2Session, timeout: string): RawCall {
  const stream = session.request(
    {
      ':method': 'POST',
      ':authority': 'api',
      ':path': '/test.Echo/Chat',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': timeout,
    },
    { endStream: false },
  )
  stream.on('error', () => {})
  const ended = new Promise<Awaited<RawCall['ended']>>((resolve, reject) => {
    let head: IncomingHttpHeaders | undefined
    let trailers: IncomingHttpHeaders | undefined
    stream.on('response', (fields) => (head = fields))
    stream.on('trailers', (fields) => (trailers = fields))
    stream.on('data', () => {})
    stream.on('close', () => (head === undefined ? reject(new Error('no answer')) : resolve({ head, trailers })))
  })
  return { stream, ended }
}

const exceeded = {
  'grpc-status': '4',
  'grpc-message': /^deadline-exceeded: the deadline that the client set/,
  'x-outrider-refusal': 'deadline-exceeded',
}

t.test('the deadline of the client is kept by the sidecars, in every unit, before the head', async (t) => {
  const clock = new TestClock(Date.now())
  const leaf = { ttlMs: 86_400_000 }
  const silent = await startHttp2App(t, () => {})
  const { web, api, ca } = await startPair(t, silent.address, { web: { clock, leaf }, api: { clock, leaf } })
  const sessions = {
    'through both': () => http2Client(t, web.outbound),
    'the inbound one alone': () => http2Client(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web', leaf))),
  }
  const timeouts = { '1H': 3_600_000, '2M': 120_000, '30S': 30_000, '500m': 500, '250000u': 250, '50000000n': 50 }
  for (const [who, connect] of Object.entries(sessions)) {
    const session = await connect()
    for (const [timeout, ms] of Object.entries(timeouts)) {
      const before = silent.streams.length
      const { stream, ended } = rawCall(session, timeout)
      let answered = false
      stream.on('response', () => (answered = true))
      await eventually(() => silent.streams.length > before, 'it arrives')
      const arrived = silent.streams.at(-1)!
      t.equal(arrived.headers['grpc-timeout'], timeout, 'the application gets it, too')
      const closed = once(arrived.stream, 'close')
      // In steps in which no other time-out sees silence.
      for (let left = ms - 10; left > 0; left -= 200_000) {
        clock.advance(Math.min(left, 200_000))
        stream.write('x')
        await nextTurn()
        await eventually(() => arrived.stream.readableLength > 0, 'it goes on')
        arrived.stream.read()
      }
      t.notOk(answered, `${who}, ${timeout}: not before its time`)
      clock.advance(11)
      const { head, trailers } = await ended
      t.match(head, { ':status': 200, 'content-type': 'application/grpc', ...exceeded }, `${who}, ${timeout}`)
      t.equal(trailers, undefined, 'trailers only')
      await closed
      t.not(arrived.stream.rstCode, constants.NGHTTP2_NO_ERROR, 'the application is told to stop')
      const record = await (who === 'through both' ? web : api).records.take()
      t.match(record, { status: 504, code: 'deadline-exceeded' })
    }
  }
})

t.test('and in the middle of a stream', async (t) => {
  const clock = new TestClock(Date.now())
  let server: ServerDuplexStream<Buffer, Buffer> | undefined
  const app = await startGrpcApp(t, {
    chat: (call) => {
      server = call
      call.write(Buffer.from('one'))
    },
  })
  const { web, api, ca } = await startPair(t, app, { web: { clock }, api: { clock } })
  for (const session of [
    await http2Client(t, web.outbound),
    await http2Client(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web'))),
  ]) {
    const { stream, ended } = rawCall(session, '1500m')
    await once(stream, 'data')
    const cancelled = once(server!, 'cancelled')
    clock.advance(1499)
    await nextTurn()
    t.notOk(stream.closed)
    clock.advance(2)
    const { head, trailers } = await ended
    t.match(head, { ':status': 200 })
    t.notOk('grpc-status' in head)
    t.match(trailers, exceeded)
    await cancelled
    await eventually(() => api.runtime.load.inFlight + web.runtime.load.inFlight === 0, 'it is over')
  }
  const record = { status: 200, code: 'deadline-exceeded', bytes_sent: 8 }
  t.match(await web.records.take(), record)
  t.match(await api.records.take(({ code }) => code === 'deadline-exceeded'), record)
  t.equal(await web.metric('outrider_response_bytes_total'), 8)
})

t.test('an upstream that is lost in the middle of a stream', async (t) => {
  const app = await startHttp2App(t, ({ stream }) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.write(Buffer.from([0, 0, 0, 0, 3, ...Buffer.from('one')]))
  })
  const { web, api } = await startPair(t, app.address)
  const client = grpcClient(t, web.outbound)
  const losses = {
    'the application': () => {
      for (const session of app.sessions) session.destroy()
    },
    'its stream': () => app.streams.at(-1)!.stream.destroy(new Error('lost by the test')),
    'the other sidecar': () => api.runtime.connections.destroy(),
  }
  for (const [what, lose] of Object.entries(losses)) {
    const { stream, outcome } = begin(client, 'Chat')
    await once(stream, 'data')
    lose()
    const { status: ended, messages } = await outcome
    t.match(ended, { code: status.UNAVAILABLE, details: /^upstream-gone: / }, what)
    t.strictSame(ended.metadata.get('x-outrider-refusal'), ['upstream-gone'])
    t.strictSame(messages.map(String), ['one'])
    t.match(await web.records.take(), { status: 200 })
  }
})

t.test('a call that is cancelled is cancelled at the application', async (t) => {
  const calls: ServerDuplexStream<Buffer, Buffer>[] = []
  const app = await startGrpcApp(t, {
    chat: (call) => {
      calls.push(call)
      call.write(Buffer.from('one'))
    },
  })
  const { web, api } = await startPair(t, app)
  const client = grpcClient(t, web.outbound)
  const { stream, outcome } = begin(client, 'Chat')
  await once(stream, 'data')
  const cancelled = once(calls[0]!, 'cancelled')
  stream.cancel()
  await cancelled
  t.equal((await outcome).status.code, status.CANCELLED)
  for (const sidecar of [web, api]) t.match(await sidecar.records.take(), { status: 200, code: 'client-gone' })
  t.equal(api.runtime.load.inFlight, 0)

  // Before the head, too.
  const early = begin(client, 'Chat')
  early.stream.cancel()
  t.equal((await early.outcome).status.code, status.CANCELLED)
  await eventually(() => api.runtime.load.inFlight + web.runtime.load.inFlight === 0, 'it is over')
})
