// The server half of one exchange: what a client's frames become, and what an answer becomes in frames.
import t from 'tap'
import { BodyBudget } from '../../../src/http/body-budget.ts'
import {
  NO_BODY,
  type RequestHead,
  type RequestSink,
  type ServerStream,
  type StreamFault,
  UNKNOWN_LENGTH,
} from '../../../src/http/exchange.ts'
import type { MessageFaultCode } from '../../../src/http/h2/fault.ts'
import { H2ServerConnection } from '../../../src/http/h2/server.ts'
import type { HttpLimits } from '../../../src/http/limits.ts'
import { Exchange } from '../../../src/http/pump.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { nextTurn, testLimits, WireSocket } from '../../fixtures/http.ts'
import {
  data,
  END_HEADERS,
  END_STREAM,
  FrameLog,
  get,
  headers,
  prefaceBytes,
  request,
  reset,
  settings,
  windowUpdate,
} from '../../fixtures/h2-frames.ts'

const INITIAL_WINDOW_SIZE = 4
const MAX_HEADER_LIST_SIZE = 6

const aborted: StreamFault = { code: 'closed-here', message: 'a test', replay: 'never' }

class Sink implements RequestSink {
  readonly events: string[] = []
  readonly head: RequestHead
  readonly stream: ServerStream
  takes = true

  constructor(head: RequestHead, stream: ServerStream) {
    this.head = head
    this.stream = stream
  }

  requestData(slice: Buffer): boolean {
    this.events.push(slice.length > 20 ? `data of ${slice.length}` : `data ${slice.toString('latin1')}`)
    return this.takes
  }

  requestEnd(trailers: readonly string[]): void {
    this.events.push(['end', ...trailers].join(' '))
  }

  requestAborted({ code, message }: StreamFault): void {
    this.events.push(`aborted ${code}: ${message}`)
  }

  responseDrained(): void {
    this.events.push('drained')
  }

  /** Answers with a whole message. */
  answer(status: number, body = '', ...fields: readonly string[]): void {
    this.stream.respond({ status, headers: fields, bodyLength: body.length, close: false })
    this.stream.data(Buffer.from(body))
    this.stream.end([])
  }
}

interface SetUp {
  readonly limits?: Partial<HttpLimits>
  readonly settings?: readonly (readonly [number, number])[]
  readonly onRequest?: (sink: Sink) => void
}

class Side {
  readonly clock: TestClock = new TestClock()
  readonly socket: WireSocket = new WireSocket()
  readonly connection: H2ServerConnection
  readonly faults: MessageFaultCode[] = []
  readonly sinks: Sink[] = []
  readonly #log = new FrameLog('server')
  #read = 0

  constructor({ limits, settings: pairs = [], onRequest }: SetUp = {}) {
    this.connection = new H2ServerConnection(this.socket, {
      limits: { ...testLimits, ...limits },
      sweep: new Sweep(this.clock),
      budget: new BodyBudget(1 << 30),
      handler: (head, stream) => {
        const sink = new Sink(head, stream)
        this.sinks.push(sink)
        onRequest?.(sink)
        return sink
      },
      onFault: (code) => this.faults.push(code),
      onClosed: () => {},
    })
    this.feed(prefaceBytes, settings(...pairs))
  }

  feed(...frames: readonly Buffer[]): this {
    this.socket.emit('data', Buffer.concat(frames))
    return this
  }

  get last(): Sink {
    return this.sinks.at(-1)!
  }

  /** Frames that left since the last call, but those of the connection itself. */
  async sent(): Promise<string[]> {
    await nextTurn()
    for (const bytes of this.socket.written.splice(0)) this.#log.push(bytes)
    const texts = this.#log.frames.slice(this.#read).map(({ text }) => text)
    this.#read = this.#log.frames.length
    return texts.filter((text) => !/^SETTINGS|^WINDOW_UPDATE 0 /.test(text))
  }
}

/** HEADERS of a request whose body follows. */
const post = (id: number, ...more: readonly string[]): Buffer => headers(id, request('POST', '/', ...more))
const trailers = (id: number, ...fields: readonly string[]): Buffer => headers(id, fields, END_HEADERS | END_STREAM)

/** HEADERS of an extended CONNECT (RFC 8441). */
const websocket = (id: number): Buffer =>
  headers(id, [':method', 'CONNECT', ':protocol', 'websocket', ':scheme', 'http', ':authority', 'a', ':path', '/chat'])
const connect = (id: number, flags = END_HEADERS): Buffer =>
  headers(id, [':method', 'CONNECT', ':authority', 'db:5432'], flags)

t.test('requests: without a body, with one of a length or none, with trailers', async (t) => {
  const side = new Side()
  side.feed(get(1, '/a'), post(3, 'content-length', '5'), data(3, 'ab'), data(3, 'cde', END_STREAM))
  side.feed(post(5), data(5, 'abc'), trailers(5, 'x-sum', '1'), post(7, 'content-length', '0'), data(7, '', END_STREAM))
  t.match(
    side.sinks.map(({ head }) => [head.target, head.bodyLength]),
    [
      ['/a', NO_BODY],
      ['/', 5],
      ['/', UNKNOWN_LENGTH],
      ['/', 0],
    ],
  )
  t.strictSame(
    side.sinks.map(({ events }) => events),
    [['end'], ['data ab', 'data cde', 'end'], ['data abc', 'end x-sum 1'], ['end']],
  )
})

t.test('a body that is not as long as it says, or whose trailers are bad: reset, and given up', async (t) => {
  const cases: readonly [name: string, frames: readonly Buffer[], fault: MessageFaultCode][] = [
    ['more', [post(1, 'content-length', '2'), data(1, 'abc')], 'h2-content-length'],
    ['less', [post(1, 'content-length', '5'), data(1, 'abc', END_STREAM)], 'h2-content-length'],
    [
      'less, with trailers',
      [post(1, 'content-length', '5'), data(1, 'abc'), trailers(1, 'a', 'b')],
      'h2-content-length',
    ],
    ['nothing of some', [post(1, 'content-length', '5'), data(1, '', END_STREAM)], 'h2-content-length'],
    ['trailers in the middle', [post(1), headers(1, ['a', 'b'])], 'h2-trailers'],
    ['a pseudo-header field in trailers', [post(1), trailers(1, ':path', '/')], 'h2-trailers'],
    ['an upper-case name in trailers', [post(1), trailers(1, 'A', '/')], 'h2-field-name'],
    ['trailers of a tunnel', [websocket(1), trailers(1, 'a', 'b')], 'h2-trailers'],
  ]
  for (const [name, frames, fault] of cases) {
    const side = new Side().feed(...frames)
    t.strictSame(side.faults, [fault], name)
    t.strictSame(await side.sent(), ['RST_STREAM 1 PROTOCOL_ERROR'], name)
    t.match(side.last.events.at(-1), /^aborted client-gone: /, name)
    side.last.answer(200, 'too late')
    side.last.stream.abort(aborted)
    t.strictSame(await side.sent(), [], `${name}: nothing is answered`)
  }
})

t.test('a request that we do not take is answered and ended; one that is malformed is reset', async (t) => {
  const cases: readonly [name: string, frames: readonly Buffer[], sent: readonly (RegExp | string)[]][] = [
    ['malformed', [headers(1, [':method', 'GET'], END_HEADERS | END_STREAM)], ['RST_STREAM 1 PROTOCOL_ERROR']],
    [
      'an unknown method',
      [headers(1, request('FOO'), END_HEADERS | END_STREAM)],
      [/^HEADERS 1 :status=501 /, /^DATA 1 \d+ END_STREAM/],
    ],
    [
      'with a body',
      [headers(1, request('FOO'))],
      [/^HEADERS 1 :status=501 /, /^DATA 1 \d+ END_STREAM/, 'RST_STREAM 1 NO_ERROR'],
    ],
    [
      'too many fields',
      [get(1, '/', ...Array.from({ length: 60 }, () => 'x'))],
      [/^HEADERS 1 :status=431 /, /^DATA 1 \d+ END_STREAM/],
    ],
    [
      'trailers with too many fields',
      [post(1), trailers(1, ...Array.from({ length: 60 }, () => 'x'))],
      [/^HEADERS 1 :status=431 /, /^DATA 1 \d+ END_STREAM/],
    ],
    [
      'declared larger than maxBodyBytes',
      [post(1, 'content-length', '11')],
      [/^HEADERS 1 :status=413 /, /^DATA 1 \d+ END_STREAM/, 'RST_STREAM 1 NO_ERROR'],
    ],
    [
      'larger than maxBodyBytes',
      [post(1), data(1, '0123456789'), data(1, 'x')],
      [/^HEADERS 1 :status=413 /, /^DATA 1 \d+ END_STREAM/, 'RST_STREAM 1 NO_ERROR'],
    ],
  ]
  for (const [name, frames, sent] of cases) {
    const side = new Side({ limits: { maxBodyBytes: 10 } }).feed(...frames)
    t.match(await side.sent(), sent, name)
    t.equal(side.faults.length, 1, name)
    side.feed(get(3))
    t.equal(side.last.head.target, '/', `${name}: the connection goes on`)
  }
  const responding = new Side({ limits: { maxBodyBytes: 10 } }).feed(post(1))
  responding.last.stream.respond({ status: 200, headers: [], bodyLength: 5, close: false })
  responding.feed(data(1, '0123456789x'))
  t.strictSame(
    await responding.sent(),
    ['HEADERS 1 :status=200 content-length=5', 'RST_STREAM 1 CANCEL'],
    'too late to say so',
  )
})

t.test('responses: fields, length, interim, trailers', async (t) => {
  const side = new Side().feed(get(1), get(3), get(5))
  const [one, two, three] = side.sinks
  one!.stream.informational(103, ['link', '</a>'])
  one!.answer(200, 'hello', 'b', '1', 'a', '2')
  two!.stream.respond({ status: 404, headers: ['x', 'y'], bodyLength: UNKNOWN_LENGTH, close: true })
  two!.stream.informational(103, [])
  two!.stream.respond({ status: 200, headers: [], bodyLength: 0, close: false })
  two!.stream.data(Buffer.from('abc'))
  two!.stream.data(Buffer.alloc(0))
  two!.stream.end(['x-sum', '1'])
  two!.stream.data(Buffer.from('after'))
  two!.stream.end([])
  three!.stream.respond({ status: 200, headers: [], bodyLength: NO_BODY, close: false })
  three!.stream.end([])
  t.strictSame(await side.sent(), [
    'HEADERS 1 :status=103 link=</a>',
    'HEADERS 1 :status=200 b=1 a=2 content-length=5',
    'DATA 1 5 END_STREAM',
    'HEADERS 3 :status=404 x=y',
    'DATA 3 3',
    'HEADERS 3 END_STREAM x-sum=1',
    'HEADERS 5 END_STREAM :status=200',
  ])
})

t.test('HEAD, 204 and 304 have no body, whatever they say of its length', async (t) => {
  for (const [method, status, fields] of [
    ['HEAD', 200, ':status=200 content-length=5'],
    ['GET', 204, ':status=204'],
    ['GET', 304, ':status=304 content-length=5'],
  ] as const) {
    const side = new Side().feed(headers(1, request(method), END_HEADERS | END_STREAM))
    side.last.answer(status, 'hello')
    t.strictSame(await side.sent(), [`HEADERS 1 END_STREAM ${fields}`], `${method} ${status}`)
  }
})

t.test('a response that is not as long as it says is broken off', async (t) => {
  const side = new Side().feed(get(1), get(3), get(5))
  const [short, long, cut] = side.sinks
  for (const { stream } of side.sinks) stream.respond({ status: 200, headers: [], bodyLength: 5, close: false })
  short!.stream.data(Buffer.from('abc'))
  short!.stream.end([])
  long!.stream.data(Buffer.from('abcdef'))
  cut!.stream.data(Buffer.from('abc'))
  cut!.stream.abort(aborted)
  cut!.stream.abort(aborted)
  t.strictSame((await side.sent()).slice(3), [
    'DATA 1 3',
    'RST_STREAM 1 INTERNAL_ERROR',
    'RST_STREAM 3 INTERNAL_ERROR',
    'DATA 5 3',
    'RST_STREAM 5 INTERNAL_ERROR',
  ])
  t.strictSame(
    side.sinks.map(({ events }) => events),
    [['end'], ['end'], ['end']],
    'who broke it off is not told',
  )
})

t.test('answered before the request has come: ended, and then the rest is refused without an error', async (t) => {
  const side = new Side().feed(post(1), data(1, 'abc'))
  side.last.answer(403, 'no')
  t.strictSame(await side.sent(), [
    'HEADERS 1 :status=403 content-length=2',
    'DATA 1 2 END_STREAM',
    'RST_STREAM 1 NO_ERROR',
  ])
  side.feed(data(1, 'more'), data(1, '', END_STREAM))
  t.strictSame(side.last.events, ['data abc'])

  const slow = new Side({ settings: [[INITIAL_WINDOW_SIZE, 1]] }).feed(post(1))
  slow.last.answer(403, 'no')
  t.strictSame(await slow.sent(), ['HEADERS 1 :status=403 content-length=2', 'DATA 1 1'])
  slow.feed(data(1, 'more'))
  slow.feed(windowUpdate(1, 1))
  t.strictSame(await slow.sent(), ['DATA 1 1 END_STREAM', 'RST_STREAM 1 NO_ERROR'], 'also when its end had to wait')

  const whole = new Side({ settings: [[INITIAL_WINDOW_SIZE, 1]] }).feed(post(1))
  whole.last.answer(403, 'no')
  whole.feed(data(1, '', END_STREAM), windowUpdate(1, 1))
  t.strictSame((await whole.sent()).at(-1), 'DATA 1 1 END_STREAM', 'unless it has come meanwhile')

  const refusing = new Side({ onRequest: (sink) => sink.answer(403, 'no') }).feed(post(1), get(3))
  t.strictSame(
    (await refusing.sent()).filter((text) => text.startsWith('RST')),
    ['RST_STREAM 1 NO_ERROR'],
    'by the handler itself',
  )
  t.strictSame(
    refusing.sinks.map(({ events }) => events),
    [[], []],
  )
})

t.test('a client that takes no head that large loses its stream, and the owner hears of it once', async (t) => {
  const side = new Side({ settings: [[MAX_HEADER_LIST_SIZE, 10]] }).feed(get(1), headers(3, request('FOO')))
  t.strictSame(await side.sent(), ['RST_STREAM 3 NO_ERROR'], 'not even our refusal')
  side.sinks[0]!.answer(200, 'hello')
  t.strictSame(await side.sent(), ['RST_STREAM 1 INTERNAL_ERROR'])
  t.strictSame(side.sinks[0]!.events, ['end', 'aborted client-gone: the client takes no head that large'])
})

t.test('a client that resets its stream, before and after an answer', async (t) => {
  const side = new Side().feed(get(1), post(3), get(5))
  side.sinks[2]!.stream.respond({ status: 200, headers: [], bodyLength: 5, close: false })
  side.feed(reset(1), reset(3, 'NO_ERROR'), reset(5))
  for (const { events } of side.sinks) t.match(events.at(-1), /^aborted client-gone: the peer reset the stream/)
  for (const sink of side.sinks) sink.answer(200, 'hello')
  t.strictSame((await side.sent()).slice(1), [])
})

t.test('backpressure, both ways', async (t) => {
  const side = new Side({ settings: [[INITIAL_WINDOW_SIZE, 3]] }).feed(post(1))
  const { stream, events } = side.last
  side.last.takes = false
  side.feed(...Array.from({ length: 4 }, () => data(1, Buffer.alloc(16_384))))
  t.strictSame(await side.sent(), [])
  side.clock.advance(1000)
  stream.resumeRequest()
  t.strictSame(await side.sent(), ['WINDOW_UPDATE 1 65536'])
  stream.respond({ status: 200, headers: [], bodyLength: UNKNOWN_LENGTH, close: false })
  t.equal(stream.data(Buffer.from('abc')), true)
  t.equal(stream.data(Buffer.from('de')), false)
  side.feed(windowUpdate(1, 1))
  t.notOk(events.includes('drained'))
  side.feed(windowUpdate(1, 1))
  t.equal(events.at(-1), 'drained')
})

t.test('extended CONNECT: a WebSocket that is granted', async (t) => {
  const side = new Side().feed(websocket(1), data(1, 'early'))
  const { head, stream, events } = side.last
  t.match(head, { method: 'GET', target: '/chat', upgrade: 'websocket', bodyLength: NO_BODY })
  t.strictSame(events, [], 'nothing before it is granted')
  stream.respond({ status: 101, headers: ['x', 'y'], bodyLength: UNKNOWN_LENGTH, close: false })
  t.strictSame(await side.sent(), ['HEADERS 1 :status=200 x=y'])
  t.strictSame(events, ['data early'])
  side.feed(data(1, 'more'))
  stream.data(Buffer.from('back'))
  stream.end([])
  t.strictSame(await side.sent(), ['DATA 1 4 END_STREAM'], 'one half ends alone')
  side.feed(data(1, 'last', END_STREAM))
  t.strictSame(events, ['data early', 'data more', 'data last', 'end'])
  t.strictSame(await side.sent(), [])
})

t.test('extended CONNECT: what the client ends before it is granted is told then', async (t) => {
  for (const early of ['', 'early']) {
    const side = new Side().feed(websocket(1), data(1, early, END_STREAM))
    t.strictSame(side.last.events, [])
    side.last.stream.respond({ status: 101, headers: [], bodyLength: UNKNOWN_LENGTH, close: false })
    t.strictSame(side.last.events, early === '' ? ['end'] : ['data early', 'end'])
    side.last.stream.end([])
    t.strictSame((await side.sent()).at(-1), 'HEADERS 1 END_STREAM :status=200')
  }
})

t.test('extended CONNECT: refused', async (t) => {
  const side = new Side().feed(websocket(1), data(1, 'early'))
  side.last.answer(403, 'no')
  side.feed(data(1, 'more'))
  t.strictSame(side.last.events, [])
  t.strictSame(await side.sent(), [
    'HEADERS 1 :status=403 content-length=2',
    'DATA 1 2 END_STREAM',
    'RST_STREAM 1 NO_ERROR',
  ])
})

t.test('extended CONNECT: an application that answers it as a request has not granted it', async (t) => {
  for (const status of [200, 204]) {
    const side = new Side().feed(websocket(1), data(1, 'early'))
    side.last.answer(status)
    t.match((await side.sent())[0], /^HEADERS 1 END_STREAM :status=502/)
    t.strictSame(side.last.events, [])
  }
})

t.test('CONNECT: bytes both ways, each half ends by itself', async (t) => {
  for (const first of ['client', 'upstream'] as const) {
    const side = new Side().feed(connect(1))
    const { head, stream, events } = side.last
    t.match(head, { method: 'CONNECT', authority: 'db:5432', target: '', bodyLength: UNKNOWN_LENGTH })
    stream.respond({ status: 200, headers: [], bodyLength: UNKNOWN_LENGTH, close: false })
    side.feed(data(1, 'ask'))
    stream.data(Buffer.from('tell'))
    if (first === 'upstream') stream.end([])
    side.feed(data(1, 'end', END_STREAM))
    if (first === 'client') {
      stream.data(Buffer.from('more'))
      stream.end([])
    }
    t.strictSame(events, ['data ask', 'data end', 'end'])
    const expected = first === 'client' ? ['DATA 1 4', 'DATA 1 4 END_STREAM'] : ['DATA 1 4 END_STREAM']
    t.strictSame(await side.sent(), ['HEADERS 1 :status=200', ...expected])
  }
  const ended = new Side().feed(connect(1, END_HEADERS | END_STREAM))
  t.strictSame(ended.last.events, ['end'])
})

const idle = testLimits.requestIdleTimeoutMs + 2000

t.test('time: a request that stands still is told so, one that only waits for its answer later', async (t) => {
  const body = new Side().feed(post(1), data(1, 'abc'))
  body.clock.advance(idle)
  t.match(await body.sent(), [/^HEADERS 1 :status=408 /, /^DATA 1 \d+ END_STREAM/, 'RST_STREAM 1 NO_ERROR'])
  t.match(body.last.events.at(-1), /^aborted client-gone/)
  t.strictSame(body.faults, ['request-timed-out'])

  const waits = new Side().feed(get(1))
  waits.clock.advance(idle)
  t.strictSame(await waits.sent(), [])
  waits.clock.advance(idle)
  t.match((await waits.sent())[0], /^HEADERS 1 :status=408 /)

  const half = new Side().feed(get(1))
  half.last.stream.respond({ status: 200, headers: [], bodyLength: 5, close: false })
  await half.sent()
  half.clock.advance(idle)
  t.strictSame(await half.sent(), ['RST_STREAM 1 CANCEL'])
  t.match(half.last.events.at(-1), /^aborted client-gone/)

  const moves = new Side().feed(post(1))
  for (let count = 0; count < 5; count += 1) {
    moves.clock.advance(idle / 2)
    if (count % 2 === 0) moves.feed(data(1, 'x'))
    else {
      moves.last.stream.respond({ status: 200, headers: [], bodyLength: UNKNOWN_LENGTH, close: false })
      moves.last.stream.data(Buffer.from('y'))
    }
  }
  t.strictSame(moves.faults, [])

  const stalled = new Side({ settings: [[INITIAL_WINDOW_SIZE, 0]] }).feed(get(1))
  stalled.last.answer(200, 'hello')
  await stalled.sent()
  stalled.clock.advance(idle)
  t.strictSame(await stalled.sent(), ['RST_STREAM 1 CANCEL'], 'who does not take the rest')
})

t.test('time: a tunnel has its own', async (t) => {
  for (const head of [websocket(1), connect(1)]) {
    const side = new Side({ limits: { tunnelIdleTimeoutMs: 10 * idle } }).feed(head)
    const status = side.last.head.upgrade === undefined ? 200 : 101
    side.last.stream.respond({ status, headers: [], bodyLength: UNKNOWN_LENGTH, close: false })
    side.clock.advance(9 * idle)
    side.feed(data(1, 'x'))
    side.clock.advance(9 * idle)
    await side.sent()
    t.strictSame(side.faults, [])
    side.clock.advance(2 * idle)
    t.strictSame(await side.sent(), [`RST_STREAM 1 ${status === 200 ? 'CONNECT_ERROR' : 'INTERNAL_ERROR'}`])
  }
})

t.test('maxRequestsPerConnection: the last one is announced', async (t) => {
  const side = new Side({ limits: { maxRequestsPerConnection: 2 } }).feed(get(1))
  t.strictSame(await side.sent(), [])
  side.feed(get(3))
  t.match((await side.sent())[0], /^GOAWAY 2147483647 NO_ERROR/)
  side.feed(get(5))
  t.equal(side.sinks.length, 3, 'what is on its way meanwhile is served')
})

t.test('an exchange ends once, also when the client takes no head of a refusal', async (t) => {
  const socket = new WireSocket()
  const finished: (string | undefined)[] = []
  const exchanges: Exchange[] = []
  new H2ServerConnection(socket, {
    limits: testLimits,
    sweep: new Sweep(new TestClock()),
    budget: new BodyBudget(1 << 30),
    handler: (_head, stream) => {
      const exchange = new Exchange(stream, {
        onResponseHead: (head) => head,
        onUpstreamFault: () => {},
        onResponseBroken: () => undefined,
        onFinished: (fault) => finished.push(fault?.code),
      })
      exchanges.push(exchange)
      return exchange
    },
    onFault: () => {},
    onClosed: () => {},
  })
  socket.emit('data', Buffer.concat([prefaceBytes, settings([MAX_HEADER_LIST_SIZE, 0]), get(1), get(3)]))
  const head = { status: 403, headers: [], bodyLength: 2, close: false }
  exchanges[0]!.refuse(head, Buffer.from('no'))
  t.strictSame(finished, ['client-gone'])
  exchanges[1]!.responseHead(head)
  exchanges[1]!.responseData(Buffer.from('no'))
  exchanges[1]!.responseEnd([])
  t.strictSame(finished, ['client-gone', 'client-gone'])
})
