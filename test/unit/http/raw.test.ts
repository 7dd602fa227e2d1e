import t from 'tap'
import {
  type RequestHead,
  type RequestSink,
  type ResponseHead,
  type ResponseSink,
  type ServerStream,
  UNKNOWN_LENGTH,
} from '../../../src/http/exchange.ts'
import { RawClientConnection } from '../../../src/http/raw/client.ts'
import { RawServerConnection } from '../../../src/http/raw/server.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { nextTurn, WireSocket } from '../../fixtures/http.ts'

const IDLE_MS = 10_000

const connectHead: RequestHead = {
  method: 'CONNECT',
  authority: 'db:5432',
  target: '',
  headers: [],
  bodyLength: UNKNOWN_LENGTH,
  upgrade: undefined,
  acceptsTrailers: false,
  version: 'TCP',
}

function answer(status: number): ResponseHead {
  return { status, headers: [], bodyLength: UNKNOWN_LENGTH, close: false }
}

/** What a server codec tells: each call as one word, with `takes` as the answer to data. */
class ServerSide implements RequestSink {
  readonly events: string[] = []
  readonly clock: TestClock = new TestClock()
  readonly socket: WireSocket
  readonly connection: RawServerConnection
  takes = true
  head: RequestHead | undefined
  stream: ServerStream | undefined

  constructor(onRequest: (stream: ServerStream) => void = () => {}, socket: WireSocket = new WireSocket()) {
    this.socket = socket
    this.connection = new RawServerConnection(socket, {
      authority: 'db:5432',
      sweep: new Sweep(this.clock),
      idleTimeoutMs: IDLE_MS,
      handler: (head, stream) => {
        this.head = head
        this.stream = stream
        onRequest(stream)
        return this
      },
      onClosed: () => this.events.push('closed'),
    })
    this.connection.start()
  }

  requestData(slice: Buffer): boolean {
    this.events.push(slice.toString())
    return this.takes
  }

  requestEnd(): void {
    this.events.push('end')
  }

  requestAborted({ code, replay }: { code: string; replay: string }): void {
    this.events.push(`aborted ${code} ${replay}`)
  }

  responseDrained(): void {
    this.events.push('drained')
  }
}

t.test('server: a connection is a CONNECT to the authority', async (t) => {
  const side = new ServerSide()
  t.strictSame(side.head, connectHead)
  side.connection.destroy()
})

t.test('server: what came before the grant is held, bounded, and passed on in order', async (t) => {
  const side = new ServerSide()
  side.socket.push('one')
  await nextTurn()
  side.socket.push('two')
  await nextTurn()
  t.ok(side.socket.isPaused(), 'no more is read than one slice')
  t.same(side.events, [])
  side.stream?.respond(answer(200))
  await nextTurn()
  t.same(side.events, ['one', 'two'])
  side.socket.push(null)
  await nextTurn()
  t.same(side.events, ['one', 'two', 'end'])
  side.stream?.end([])
  await nextTurn()
  t.same(side.events, ['one', 'two', 'end', 'closed'], 'two ends are no abort')
})

t.test('server: the end may come before the grant, and the grant within the handler', async (t) => {
  const early = new ServerSide()
  early.socket.push('all')
  early.socket.push(null)
  await nextTurn()
  t.same(early.events, [])
  early.stream?.respond(answer(200))
  await nextTurn()
  t.same(early.events, ['all', 'end'])
  early.connection.destroy()

  const nothing = new ServerSide()
  nothing.socket.push(null)
  await nextTurn()
  nothing.stream?.respond(answer(200))
  t.same(nothing.events, ['end'])
  nothing.connection.destroy()

  const synchronous = new ServerSide((stream) => stream.respond(answer(200)))
  synchronous.socket.push('x')
  await nextTurn()
  t.same(synchronous.events, ['x'])
  synchronous.connection.destroy()
})

t.test('server: a refusal sends not a byte', async (t) => {
  for (const status of [403, 503]) {
    const side = new ServerSide((stream) => {
      stream.respond(answer(status))
      stream.data(Buffer.from('policy says no'))
      stream.end([])
    })
    side.socket.push('query')
    await nextTurn()
    t.equal(side.socket.text, '')
    t.ok(side.socket.destroyed)
    t.same(side.events, ['closed'], 'who refused knows')
  }
})

t.test('server: a sink that is full stops the reading', async (t) => {
  const side = new ServerSide((stream) => stream.respond(answer(200)))
  side.takes = false
  side.socket.push('one')
  await nextTurn()
  side.socket.push('two')
  await nextTurn()
  t.same(side.events, ['one'])
  side.stream?.resumeRequest()
  await nextTurn()
  t.same(side.events, ['one', 'two'])
  side.connection.destroy()
})

t.test('server: a socket that is full says when it is no longer', async (t) => {
  const side = new ServerSide((stream) => stream.respond(answer(200)), new WireSocket('slow'))
  let writes = 0
  while (side.stream?.data(Buffer.alloc(16 * 1024)) === true && writes < 100) {
    writes += 1
    await nextTurn()
  }
  t.ok(writes < 10, `${writes} slices of 16 KiB`)
  t.same(side.events, [])
  for (let turn = 0; turn < 20 && side.events.length === 0; turn += 1) {
    side.socket.accept()
    await nextTurn()
  }
  t.same(side.events, ['drained'])
  side.connection.destroy()
})

t.test('server: without a byte for too long it is cut', async (t) => {
  for (const granted of [true, false]) {
    const side = new ServerSide((stream) => granted && stream.respond(answer(200)))
    side.clock.advance(IDLE_MS - 1)
    side.socket.push('x')
    await nextTurn()
    side.clock.advance(IDLE_MS - 1)
    t.notOk(side.socket.destroyed, 'a byte came')
    side.clock.advance(2000)
    await nextTurn()
    t.same(side.events, [...(granted ? ['x'] : []), 'aborted timed-out never', 'closed'])
  }
})

t.test('server: the end of the connection is the end of the exchange', async (t) => {
  const destroyed = new ServerSide()
  destroyed.connection.destroy()
  await nextTurn()
  t.same(destroyed.events, ['aborted client-gone never', 'closed'])
  destroyed.stream?.respond(answer(200))
  t.equal(destroyed.stream?.data(Buffer.from('x')), true)
  destroyed.stream?.end([])

  const failed = new ServerSide((stream) => stream.respond(answer(200)))
  failed.socket.destroy(new Error('reset'))
  await nextTurn()
  t.same(failed.events, ['aborted client-gone never', 'closed'])

  const aborted = new ServerSide((stream) => stream.respond(answer(200)))
  aborted.stream?.abort({ code: 'upstream-gone', message: '', replay: 'never' })
  await nextTurn()
  t.same(aborted.events, ['closed'])
  t.ok(aborted.socket.destroyed)

  const half = new ServerSide((stream) => stream.respond(answer(200)))
  half.socket.push(null)
  await nextTurn()
  half.socket.destroy()
  await nextTurn()
  t.same(half.events, ['end', 'aborted client-gone never', 'closed'], 'one end is not two')
})

class ClientSide implements ResponseSink {
  readonly events: string[] = []
  readonly clock: TestClock = new TestClock()
  readonly socket: WireSocket = new WireSocket()
  readonly connection: RawClientConnection = new RawClientConnection(this.socket, {
    sweep: new Sweep(this.clock),
    idleTimeoutMs: IDLE_MS,
    onClosed: () => this.events.push('closed'),
  })
  takes = true

  informational(): void {}

  responseHead({ status, bodyLength }: ResponseHead): void {
    this.events.push(`head ${status} ${bodyLength}`)
  }

  responseData(slice: Buffer): boolean {
    this.events.push(slice.toString())
    return this.takes
  }

  responseEnd(): void {
    this.events.push('end')
  }

  responseAborted({ code, replay }: { code: string; replay: string }): void {
    this.events.push(`aborted ${code} ${replay}`)
  }

  requestDrained(): void {
    this.events.push('drained')
  }
}

const head = `head 200 ${UNKNOWN_LENGTH}`

t.test('client: grants after the caller has the stream, before any byte', async (t) => {
  const side = new ClientSide()
  side.socket.push('greeting')
  await nextTurn()
  t.equal(side.connection.room, 1)
  const stream = side.connection.request(connectHead, side)
  t.same(side.events, [], 'not within the call')
  t.equal(side.connection.room, 0)
  stream.data(Buffer.from('hello'))
  await nextTurn()
  t.same(side.events, [head, 'greeting'])
  t.equal(side.socket.text, 'hello')
  stream.end([])
  side.socket.push(null)
  await nextTurn()
  t.same(side.events, [head, 'greeting', 'end', 'closed'])
  t.throws(() => side.connection.request(connectHead, side), /carries one CONNECT/)
})

t.test('client: one CONNECT and nothing else', async (t) => {
  const side = new ClientSide()
  t.throws(() => side.connection.request({ ...connectHead, method: 'GET' }, side), /carries one CONNECT/)
  side.connection.request(connectHead, side)
  t.throws(() => side.connection.request(connectHead, side), /carries one CONNECT/)
  side.connection.destroy()
})

t.test('client: each half ends by itself', async (t) => {
  const side = new ClientSide()
  const stream = side.connection.request(connectHead, side)
  await nextTurn()
  side.socket.push(null)
  await nextTurn()
  t.same(side.events, [head, 'end'])
  stream.data(Buffer.from('more'))
  await nextTurn()
  t.equal(side.socket.text, 'more')
  t.notOk(side.socket.writableEnded)
  stream.end([])
  await nextTurn()
  t.same(side.events, [head, 'end', 'closed'])
})

t.test('client: what goes wrong is told once', async (t) => {
  const beforeGrant = new ClientSide()
  beforeGrant.connection.request(connectHead, beforeGrant)
  beforeGrant.connection.destroy()
  await nextTurn()
  t.same(beforeGrant.events, ['aborted upstream-gone never', 'closed'])

  const beforeRequest = new ClientSide()
  beforeRequest.socket.destroy(new Error('reset'))
  await nextTurn()
  t.equal(beforeRequest.connection.room, 0)
  t.same(beforeRequest.events, ['closed'])

  const unused = new ClientSide()
  unused.connection.close()
  await nextTurn()
  t.same(unused.events, ['closed'])

  const used = new ClientSide()
  used.connection.request(connectHead, used)
  await nextTurn()
  used.connection.close()
  t.notOk(used.socket.destroyed, 'finishes what it carries')
  used.clock.advance(IDLE_MS + 1000)
  await nextTurn()
  t.same(used.events, [head, 'aborted timed-out never', 'closed'])

  const aborted = new ClientSide()
  const stream = aborted.connection.request(connectHead, aborted)
  stream.abort({ code: 'client-gone', message: '', replay: 'never' })
  await nextTurn()
  t.same(aborted.events, ['closed'])
})

t.test('client: a sink that is full stops the reading', async (t) => {
  const side = new ClientSide()
  const stream = side.connection.request(connectHead, side)
  await nextTurn()
  side.takes = false
  side.socket.push('one')
  await nextTurn()
  side.socket.push('two')
  await nextTurn()
  t.same(side.events, [head, 'one'])
  stream.resumeResponse()
  await nextTurn()
  t.same(side.events, [head, 'one', 'two'])
  side.connection.destroy()
})
