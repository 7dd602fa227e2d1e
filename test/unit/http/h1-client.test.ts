import t from 'tap'
import type { RequestHead, ResponseHead, ResponseSink, StreamFault } from '../../../src/http/exchange.ts'
import { NO_BODY } from '../../../src/http/exchange.ts'
import { H1ClientConnection } from '../../../src/http/h1/client.ts'
import type { ProtocolFaultCode } from '../../../src/http/protocol-fault.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import { websocketAccept } from '../../../src/http/websocket.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { nextTurn, testLimits, WireSocket } from '../../fixtures/http.ts'

const get: RequestHead = {
  method: 'GET',
  authority: 'a',
  target: '/',
  headers: [],
  bodyLength: NO_BODY,
  upgrade: undefined,
  acceptsTrailers: false,
  version: 'HTTP/1.1',
}

class Sink implements ResponseSink {
  readonly events: string[] = []
  head: ResponseHead | undefined
  fault: StreamFault | undefined
  body = ''

  informational(status: number): void {
    this.events.push(`informational ${status}`)
  }

  responseHead(head: ResponseHead): void {
    this.head = head
    this.events.push(`head ${head.status} ${head.headers.join()}`)
  }

  responseData(slice: Buffer): boolean {
    this.body += slice.toString('latin1')
    return true
  }

  responseEnd(trailers: readonly string[]): void {
    this.events.push(`end ${this.body} ${trailers.join()}`)
  }

  responseAborted(fault: StreamFault): void {
    this.fault = fault
    this.events.push(`aborted ${fault.code} ${fault.replay}`)
  }

  requestDrained(): void {}
}

interface Setup {
  readonly socket: WireSocket
  readonly connection: H1ClientConnection
  readonly faults: ProtocolFaultCode[]
  idle: number
}

function connect(socket = new WireSocket()): Setup {
  const faults: ProtocolFaultCode[] = []
  const connection = new H1ClientConnection(socket, {
    limits: testLimits,
    sweep: new Sweep(new TestClock()),
    randomHex: (bytes) => '07'.repeat(bytes),
    onRoom: () => {
      setup.idle += 1
    },
    onFault: (code) => faults.push(code),
    onClosed: () => {},
  })
  const setup: Setup = { socket, connection, faults, idle: 0 }
  return setup
}

async function ask(connection: H1ClientConnection): Promise<Sink> {
  const sink = new Sink()
  connection.request(get, sink).end([])
  await nextTurn()
  return sink
}

const RESPONSE =
  'HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-Two: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n'

t.test('a response, cut at every byte', async (t) => {
  const bytes = Buffer.from(RESPONSE)
  for (let at = 0; at <= bytes.length; at += 1) {
    const { socket, connection } = connect()
    const sink = await ask(connection)
    const slices = at === 0 ? [...bytes].map((byte) => Buffer.of(byte)) : [bytes.subarray(0, at), bytes.subarray(at)]
    for (const slice of slices) if (slice.length > 0) socket.emit('data', slice)
    const ok = sink.events.join('|') === 'informational 103|head 200 x-two,2|end ok x-sum,1' && connection.room === 1
    if (!ok) t.fail(`cut at ${at}`, { events: sink.events })
    connection.destroy()
  }
  t.pass(`${bytes.length} cuts`)
})

t.test('an answer that came before its question was written is none', async (t) => {
  const { socket, connection, faults } = connect()
  const first = await ask(connection)
  socket.emit('data', Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))
  t.equal(first.head?.status, 200)
  const second = new Sink()
  connection.request(get, second)
  socket.emit('data', Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'))
  t.strictSame(
    second.events,
    ['aborted upstream-gone idempotent'],
    'and the request can go elsewhere: nothing of it was sent',
  )
  t.strictSame(faults, ['response-unexpected'])
  t.ok(socket.destroyed)
  t.equal(connection.room, 0)
})

t.test('a connection with unread bytes, a closed one and a busy one are not ready', async (t) => {
  for (const behind of ['x', 'HTTP/1.1 200 OK\r\n', '\r\n']) {
    const setup = connect()
    const sink = await ask(setup.connection)
    t.equal(setup.connection.room, 0, 'busy')
    t.throws(() => setup.connection.request(get, new Sink()))
    setup.socket.emit('data', Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${behind}`))
    t.strictSame(sink.events, ['head 200 ', 'end ok '])
    t.equal(setup.idle, 0)
    t.equal(setup.connection.room, 0)
    t.ok(setup.socket.destroyed)
  }
})

t.test('close: at once when idle, else after the exchange', async (t) => {
  const idle = connect()
  idle.connection.close()
  t.ok(idle.socket.destroyed)

  const busy = connect()
  const sink = await ask(busy.connection)
  busy.connection.close()
  t.notOk(busy.socket.destroyed)
  busy.socket.emit('data', Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  t.strictSame(sink.events, ['head 200 ', 'end ok '])
  t.ok(busy.socket.destroyed)
  t.equal(busy.idle, 0)
})

t.test('a sink that gives up in the head hears nothing more', async (t) => {
  const { socket, connection, faults } = connect()
  const sink = new Sink()
  const stream = connection.request(get, sink)
  stream.end([])
  await nextTurn()
  sink.responseHead = () => {
    sink.events.push('head')
    stream.abort({ code: 'closed-here', message: '', replay: 'never' })
  }
  socket.emit('data', Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  t.strictSame(sink.events, ['head'])
  t.strictSame(faults, [], "and the rest is nobody's fault")
})

t.test('a body that is not as long as its head says is a bug of ours', async (t) => {
  const { connection } = connect()
  const stream = connection.request({ ...get, bodyLength: 3 }, new Sink())
  t.throws(() => stream.data(Buffer.from('abcd')))
  const { connection: other } = connect()
  const short = other.request({ ...get, bodyLength: 3 }, new Sink())
  short.data(Buffer.from('ab'))
  t.throws(() => short.end([]))
})

t.test('a sink that was full at the last slice does not leave the connection unread', async (t) => {
  const { socket, connection } = connect()
  const sink = await ask(connection)
  sink.responseData = () => false
  socket.emit('data', Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab'))
  t.ok(socket.isPaused())
  socket.emit('data', Buffer.from('cd'))
  t.equal(connection.room, 1)
  t.notOk(socket.isPaused())
})

t.test('a WebSocket of a client without a key: we make one, and see that the application has read it', async (t) => {
  const websocket: RequestHead = { ...get, headers: ['x', '1'], upgrade: 'websocket', version: 'HTTP/2' }
  const key = Buffer.alloc(16, 7).toString('base64')
  const accept = websocketAccept(key)
  const grant = async (fields: string, head = websocket): Promise<Setup & { readonly sink: Sink }> => {
    const setup = connect()
    const sink = new Sink()
    setup.connection.request(head, sink)
    await nextTurn()
    const granted = `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n${fields}\r\n`
    setup.socket.emit('data', Buffer.from(granted))
    return { ...setup, sink }
  }
  const { socket, sink } = await grant(`a: 1\r\nSec-WebSocket-Accept: ${accept}\r\nb: 2\r\n`)
  t.match(socket.text, `\r\nx: 1\r\nsec-websocket-key: ${key}\r\nconnection: upgrade\r\n`)
  t.strictSame(sink.events, ['head 101 a,1,b,2'])
  const again = `sec-websocket-accept: ${accept}\r\n`
  for (const fields of ['', 'sec-websocket-accept: x\r\n', again + again]) {
    const wrong = await grant(fields)
    t.strictSame(wrong.faults, ['websocket-accept-wrong'], fields)
    t.strictSame(wrong.sink.events, ['aborted upstream-malformed never'])
    t.ok(wrong.socket.destroyed)
  }
  // With a key of its own, or without one over HTTP/1.1, it is the client who looks.
  for (const head of [
    { ...websocket, headers: ['sec-websocket-key', 'mine'] },
    { ...websocket, version: 'HTTP/1.1' as const },
  ]) {
    const own = await grant('sec-websocket-accept: x\r\n', head)
    t.notMatch(own.socket.text, key)
    t.strictSame(own.sink.events, ['head 101 sec-websocket-accept,x'])
  }
})

t.test('what is on its way through a tunnel when both halves have ended is still sent', async (t) => {
  const socket = new WireSocket('slow')
  const { connection } = connect(socket)
  const sink = new Sink()
  const stream = connection.request({ ...get, upgrade: 'websocket' }, sink)
  await nextTurn()
  socket.accept()
  socket.emit('data', Buffer.from('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'))
  socket.emit('end')
  stream.data(Buffer.from('the last'))
  stream.end([])
  await nextTurn()
  t.notOk(socket.destroyed)
  socket.accept()
  await nextTurn()
  t.match(socket.text, /the last$/)
  t.ok(socket.writableFinished)
  socket.destroy()
})
