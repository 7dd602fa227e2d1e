import t from 'tap'
import { type RequestHead, type ServerStream, UNKNOWN_LENGTH } from '../../../src/http/exchange.ts'
import { H1ServerConnection } from '../../../src/http/h1/server.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { nextTurn, testLimits, WireSocket } from '../../fixtures/http.ts'

interface Setup {
  readonly clock: TestClock
  readonly socket: WireSocket
  readonly connection: H1ServerConnection
  readonly stream: ServerStream
}

/** A connection on which one request has come. */
function accept(socket: WireSocket, version = 'HTTP/1.1', fields = ''): Setup {
  const clock = new TestClock()
  let given: ServerStream | undefined
  const connection = new H1ServerConnection(socket, {
    limits: testLimits,
    sweep: new Sweep(clock),
    handler: (_head: RequestHead, stream: ServerStream) => {
      given = stream
      return { requestData: () => true, requestEnd: () => {}, requestAborted: () => {}, responseDrained: () => {} }
    },
    onFault: () => {},
    onClosed: () => {},
  })
  socket.emit('data', Buffer.from(`GET / ${version}\r\nHost: a\r\n${fields}\r\n`))
  return { clock, socket, connection, stream: given! }
}

t.test('a slow client gets its last response whole, then a moment to close', async (t) => {
  const socket = new WireSocket('slow')
  const { clock, stream } = accept(socket, 'HTTP/1.0')
  stream.respond({ status: 200, headers: [], bodyLength: UNKNOWN_LENGTH, close: false })
  t.equal(stream.data(Buffer.alloc(100_000, 'x')), false)
  stream.end([])
  await nextTurn()
  clock.advance(testLimits.requestIdleTimeoutMs - 1000)
  t.notOk(socket.destroyed, 'it is still being sent')
  socket.accept()
  await nextTurn()
  t.ok(socket.writableFinished)
  clock.advance(500)
  t.notOk(socket.destroyed)
  clock.advance(2000)
  t.ok(socket.destroyed)
  t.equal(socket.text.length, 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'.length + 100_000)
})

t.test('one that takes nothing at all is cut', async (t) => {
  const socket = new WireSocket('slow')
  const { clock, stream } = accept(socket, 'HTTP/1.0')
  stream.respond({ status: 200, headers: [], bodyLength: 3, close: false })
  stream.data(Buffer.from('abc'))
  stream.end([])
  clock.advance(testLimits.requestIdleTimeoutMs + 1000)
  t.ok(socket.destroyed)
  await nextTurn()
})

t.test('a response that is not as long as its head says is cut', async (t) => {
  for (const body of ['ab', 'abcd']) {
    const { socket, stream } = accept(new WireSocket())
    stream.respond({ status: 200, headers: [], bodyLength: 3, close: false })
    stream.data(Buffer.from(body))
    stream.end([])
    t.ok(socket.destroyed, body)
    await nextTurn()
  }
})

t.test('what is called after the end has no effect', async (t) => {
  const { socket, connection, stream } = accept(new WireSocket())
  stream.respond({ status: 200, headers: [], bodyLength: 2, close: false })
  stream.data(Buffer.from('ok'))
  stream.end([])
  await nextTurn()
  const { text } = socket
  stream.respond({ status: 500, headers: [], bodyLength: 0, close: false })
  stream.informational(103, [])
  stream.data(Buffer.from('more'))
  stream.end([])
  stream.resumeRequest()
  stream.abort({ code: 'closed-here', message: '', replay: 'never' })
  await nextTurn()
  t.equal(socket.text, text)
  t.ok(connection.idle)
  t.notOk(socket.destroyed)
  connection.destroy()
})

t.test('a response without its head is a bug of ours', (t) => {
  const { stream, connection } = accept(new WireSocket())
  t.throws(() => stream.data(Buffer.from('x')))
  t.throws(() => stream.end([]))
  connection.destroy()
  t.end()
})

t.test('one write for all that a turn brings', async (t) => {
  const { socket, connection, stream } = accept(new WireSocket())
  stream.respond({ status: 200, headers: [], bodyLength: UNKNOWN_LENGTH, close: false })
  for (let index = 0; index < 10; index += 1) stream.data(Buffer.from('slice'))
  stream.end(['x-sum', '1'])
  await nextTurn()
  t.equal(socket.written.length, 1)
  t.match(socket.text, /\r\n\r\n(5\r\nslice\r\n){10}0\r\nx-sum: 1\r\n\r\n$/)
  connection.destroy()
})

t.test('what a tunnel carries in the turn of its end is sent', async (t) => {
  const { socket, connection, stream } = accept(
    new WireSocket(),
    'HTTP/1.1',
    'Connection: upgrade\r\nUpgrade: websocket\r\n',
  )
  stream.respond({ status: 101, headers: [], bodyLength: UNKNOWN_LENGTH, close: false })
  stream.data(Buffer.from('last'))
  stream.end([])
  await nextTurn()
  t.match(socket.text, /^HTTP\/1\.1 101 [^]*\r\n\r\nlast$/)
  t.ok(socket.writableEnded)
  t.notOk(socket.destroyed)
  connection.destroy()
})

t.test('who asks on and does not read the answers waits, and goes on when it has read them', async (t) => {
  const socket = new WireSocket('slow')
  let requests = 0
  const connection = new H1ServerConnection(socket, {
    limits: testLimits,
    sweep: new Sweep(new TestClock()),
    handler: (_head, stream) => {
      requests += 1
      stream.respond({ status: 403, headers: [], bodyLength: 1000, close: false })
      stream.data(Buffer.alloc(1000))
      stream.end([])
      return { requestData: () => true, requestEnd: () => {}, requestAborted: () => {}, responseDrained: () => {} }
    },
    onFault: () => {},
    onClosed: () => {},
  })
  const asked = 4000
  const pipelined = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(asked / 4))
  let most = 0
  for (let fed = 0, rounds = 0; rounds < 1000 && (fed < 4 || requests < asked); rounds += 1) {
    if (socket.isPaused()) socket.accept()
    else {
      socket.emit('data', pipelined)
      fed += 1
    }
    await nextTurn()
    most = Math.max(most, socket.writableLength)
  }
  t.equal(requests, asked)
  t.ok(most < 160_000, `at most ${most} bytes waited`)
  connection.destroy()
})

t.test('a WebSocket that was granted without an accept gets the one of its key', async (t) => {
  const upgrade = 'Connection: upgrade\r\nUpgrade: websocket\r\n'
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  const computed = 'sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n'
  const cases = [
    [upgrade + key, [], computed],
    [upgrade + key, ['sec-websocket-accept', 'given'], 'sec-websocket-accept: given\r\n'],
    [upgrade, [], ''],
  ] as const
  for (const [fields, headers, expected] of cases) {
    const { socket, stream } = accept(new WireSocket(), 'HTTP/1.1', fields)
    stream.respond({ status: 101, headers, bodyLength: UNKNOWN_LENGTH, close: false })
    await nextTurn()
    const first = 'HTTP/1.1 101 Switching Protocols\r\n'
    t.equal(socket.text, `${first}${expected}connection: upgrade\r\nupgrade: websocket\r\n\r\n`)
    socket.destroy()
  }
  const refused = accept(new WireSocket(), 'HTTP/1.1', upgrade + key)
  refused.stream.respond({ status: 200, headers: [], bodyLength: 0, close: false })
  await nextTurn()
  t.notMatch(refused.socket.text, 'sec-websocket-accept')
})
