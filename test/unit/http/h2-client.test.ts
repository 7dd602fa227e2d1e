// The client half of one exchange: what a request becomes in frames, and what an upstream's frames become.
import t from 'tap'
import { BodyBudget } from '../../../src/http/body-budget.ts'
import {
  type ClientStream,
  NO_BODY,
  type RequestHead,
  type ResponseHead,
  type ResponseSink,
  type StreamFault,
  UNKNOWN_LENGTH,
} from '../../../src/http/exchange.ts'
import { H2ClientConnection } from '../../../src/http/h2/client.ts'
import type { MessageFaultCode } from '../../../src/http/h2/fault.ts'
import type { HttpLimits } from '../../../src/http/limits.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { nextTurn, testLimits, WireSocket } from '../../fixtures/http.ts'
import {
  data,
  END_HEADERS,
  END_STREAM,
  FrameLog,
  goaway,
  headers,
  ping,
  reset,
  settings,
  windowUpdate,
} from '../../fixtures/h2-frames.ts'

const MAX_CONCURRENT_STREAMS = 3
const INITIAL_WINDOW_SIZE = 4
const MAX_HEADER_LIST_SIZE = 6
const ENABLE_CONNECT_PROTOCOL = 8

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
const post: RequestHead = { ...get, method: 'POST', bodyLength: UNKNOWN_LENGTH }
const websocket: RequestHead = { ...get, target: '/chat', upgrade: 'websocket' }
const connect: RequestHead = { ...get, method: 'CONNECT', target: '', bodyLength: UNKNOWN_LENGTH }

const aborted: StreamFault = { code: 'closed-here', message: 'a test', replay: 'never' }

class Sink implements ResponseSink {
  readonly events: string[] = []
  takes = true
  onHead: () => void = () => {}

  informational(status: number, fields: readonly string[]): void {
    this.events.push(['informational', status, ...fields].join(' '))
  }

  responseHead({ status, headers, bodyLength }: ResponseHead): void {
    this.events.push(['head', status, bodyLength, ...headers].join(' '))
    this.onHead()
  }

  responseData(slice: Buffer): boolean {
    this.events.push(slice.length > 20 ? `data of ${slice.length}` : `data ${slice.toString('latin1')}`)
    return this.takes
  }

  responseEnd(trailers: readonly string[]): void {
    this.events.push(['end', ...trailers].join(' '))
  }

  responseAborted({ code, replay }: StreamFault): void {
    this.events.push(`aborted ${code} ${replay}`)
  }

  requestDrained(): void {
    this.events.push('drained')
  }
}

class Side {
  readonly clock: TestClock = new TestClock()
  readonly socket: WireSocket = new WireSocket()
  readonly connection: H2ClientConnection
  readonly faults: MessageFaultCode[] = []
  room = 0
  closed = 0
  readonly #log = new FrameLog('client')
  #read = 0

  /** `unknown`: the server has not greeted. */
  constructor(
    pairs: readonly (readonly [number, number])[] | 'unknown' = [],
    limits: Partial<HttpLimits> = {},
    maxExchanges?: number,
  ) {
    this.connection = new H2ClientConnection(this.socket, {
      limits: { ...testLimits, ...limits },
      sweep: new Sweep(this.clock),
      budget: new BodyBudget(1 << 30),
      onLeaving: () => {},
      scheme: 'http',
      ...(maxExchanges === undefined ? {} : { maxExchanges }),
      onRoom: () => {
        this.room += 1
      },
      onFault: (code) => this.faults.push(code),
      onClosed: () => {
        this.closed += 1
      },
    })
    if (pairs !== 'unknown') this.feed(settings(...pairs))
  }

  feed(...frames: readonly Buffer[]): this {
    this.socket.emit('data', Buffer.concat(frames))
    return this
  }

  /** A request without a body that has ended, unless `head` has one. */
  ask(head: RequestHead = get): { sink: Sink; stream: ClientStream } {
    const sink = new Sink()
    const stream = this.connection.request(head, sink)
    if (head.bodyLength === NO_BODY && head.upgrade === undefined) stream.end([])
    return { sink, stream }
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

const answer = (id: number, status: number, ...fields: readonly string[]): Buffer =>
  headers(id, [':status', String(status), ...fields])
const bodiless = (id: number, status: number, ...fields: readonly string[]): Buffer =>
  headers(id, [':status', String(status), ...fields], END_HEADERS | END_STREAM)
const trailers = (id: number, ...fields: readonly string[]): Buffer => headers(id, fields, END_HEADERS | END_STREAM)

t.test('requests: fields, length, trailers', async (t) => {
  const side = new Side()
  side.ask({ ...get, headers: ['b', '1', 'a', '2'], acceptsTrailers: true })
  const known = side.ask({ ...post, bodyLength: 3 })
  known.stream.data(Buffer.from('abc'))
  known.stream.end([])
  const unknown = side.ask(post)
  unknown.stream.data(Buffer.from('ab'))
  unknown.stream.data(Buffer.alloc(0))
  unknown.stream.end(['x-sum', '1'])
  const nothing = side.ask({ ...post, bodyLength: 0 })
  nothing.stream.end([])
  const common = ':scheme=http :authority=a :path=/'
  t.strictSame(await side.sent(), [
    `HEADERS 1 END_STREAM :method=GET ${common} b=1 a=2 te=trailers`,
    `HEADERS 3 :method=POST ${common} content-length=3`,
    'DATA 3 3 END_STREAM',
    `HEADERS 5 :method=POST ${common}`,
    'DATA 5 2',
    'HEADERS 5 END_STREAM x-sum=1',
    `HEADERS 7 END_STREAM :method=POST ${common} content-length=0`,
  ])
  t.equal(side.connection.load, 4)
  t.equal(side.connection.exchanges, 4)
})

t.test('responses: interim ones, of a length or none, with trailers', async (t) => {
  const side = new Side()
  const sinks = Array.from({ length: 4 }, () => side.ask().sink)
  side.feed(
    answer(1, 103, 'link', '</a>'),
    answer(1, 200, 'b', '1', 'a', '2', 'content-length', '5'),
    data(1, 'ab'),
    data(1, 'cde', END_STREAM),
    answer(3, 404),
    data(3, 'abc'),
    trailers(3, 'x-sum', '1'),
    bodiless(5, 200),
    answer(7, 200, 'content-length', '0'),
    data(7, '', END_STREAM),
  )
  t.strictSame(
    sinks.map(({ events }) => events),
    [
      ['informational 103 link </a>', 'head 200 5 b 1 a 2', 'data ab', 'data cde', 'end'],
      [`head 404 ${UNKNOWN_LENGTH}`, 'data abc', 'end x-sum 1'],
      [`head 200 ${NO_BODY}`, 'end'],
      ['head 200 0', 'end'],
    ],
  )
  t.equal(side.connection.load, 0)
})

t.test('HEAD, 204 and 304 have no body, whatever they say of its length', async (t) => {
  for (const [method, status] of [
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ] as const) {
    const side = new Side()
    const { sink } = side.ask({ ...get, method })
    side.feed(bodiless(1, status, 'content-length', '5'))
    t.strictSame(sink.events, [`head ${status} 5`, 'end'])
    const { sink: late } = side.ask({ ...get, method })
    side.feed(answer(3, status, 'content-length', '5'), data(3, '', END_STREAM))
    t.strictSame(late.events, [`head ${status} 5`, 'end'])
    const { sink: more } = side.ask({ ...get, method })
    side.feed(answer(5, status, 'content-length', '5'), data(5, 'hello', END_STREAM))
    t.strictSame(
      more.events,
      [`head ${status} 5`, 'aborted upstream-malformed never'],
      `${method} ${status} with a body`,
    )
  }
})

t.test('malformed responses end their stream, and nothing else', async (t) => {
  const cases: readonly [name: string, frames: readonly Buffer[], fault: MessageFaultCode][] = [
    ['without a status', [headers(1, ['a', 'b'])], 'h2-pseudo-fields'],
    ['101', [answer(1, 101)], 'h2-pseudo-fields'],
    ['an interim response that ends', [bodiless(1, 103)], 'response-unexpected'],
    ['interim responses without end', Array.from({ length: 17 }, () => answer(1, 102)), 'response-unexpected'],
    ['DATA before the head', [data(1, 'abc')], 'response-unexpected'],
    ['an end before the head', [data(1, '', END_STREAM)], 'response-unexpected'],
    ['an end after interim responses', [answer(1, 103), data(1, '', END_STREAM)], 'response-unexpected'],
    ['more than content-length', [answer(1, 200, 'content-length', '2'), data(1, 'abc')], 'h2-content-length'],
    [
      'less than content-length',
      [answer(1, 200, 'content-length', '5'), data(1, 'abc', END_STREAM)],
      'h2-content-length',
    ],
    ['less, with trailers', [answer(1, 200, 'content-length', '5'), trailers(1, 'a', 'b')], 'h2-content-length'],
    ['nothing of content-length', [bodiless(1, 200, 'content-length', '5')], 'h2-content-length'],
    ['trailers that do not end it', [answer(1, 200), headers(1, ['a', 'b'])], 'h2-trailers'],
    ['a second head', [answer(1, 200), answer(1, 200)], 'h2-trailers'],
    ['a forbidden trailer', [answer(1, 200), trailers(1, 'content-length', '5')], 'h2-trailers'],
    ['an end of line in a value', [answer(1, 200, 'a', 'b\r\nc: d')], 'h2-field-value'],
    ['too many fields', [answer(1, 200, ...Array.from({ length: 60 }, () => 'x'))], 'head-too-large'],
    ['too many trailers', [answer(1, 200), trailers(1, ...Array.from({ length: 60 }, () => 'x'))], 'head-too-large'],
  ]
  for (const [name, frames, fault] of cases) {
    const side = new Side()
    const { sink } = side.ask()
    const { sink: other } = side.ask()
    await side.sent()
    side.feed(...frames)
    t.strictSame(side.faults, [fault], name)
    t.equal(sink.events.at(-1), 'aborted upstream-malformed never', name)
    t.strictSame(await side.sent(), ['RST_STREAM 1 PROTOCOL_ERROR'], name)
    side.feed(data(1, 'more', END_STREAM), bodiless(3, 200))
    t.equal(sink.events.at(-1), 'aborted upstream-malformed never', `${name}: nothing is heard of it again`)
    t.strictSame(other.events, [`head 200 ${NO_BODY}`, 'end'])
  }
})

t.test('whether a request may be sent again', async (t) => {
  const cases: readonly [name: string, frames: readonly Buffer[], replay: string][] = [
    ['refused', [reset(3, 'REFUSED_STREAM')], 'safe'],
    ['GOAWAY that did not look at it', [goaway(1)], 'safe'],
    ['GOAWAY that did, and the end', [goaway(3)], 'idempotent'],
    ['the end of a connection that was used', [], 'idempotent'],
    ['an interim response, and the end', [answer(3, 103)], 'never'],
    ['a head, and the end', [answer(3, 200)], 'never'],
    ['a head, and a reset', [answer(3, 200), reset(3, 'INTERNAL_ERROR')], 'never'],
    [
      'less than its length, and a reset without error',
      [answer(3, 200, 'content-length', '2'), data(3, 'x'), reset(3, 'NO_ERROR')],
      'never',
    ],
    ['no length, and a reset without error', [answer(3, 200), data(3, 'x'), reset(3, 'NO_ERROR')], 'never'],
  ]
  for (const [name, frames, replay] of cases) {
    const side = new Side()
    side.ask()
    side.feed(bodiless(1, 200))
    const { sink } = side.ask()
    side.feed(...frames)
    side.socket.emit('end')
    t.equal(sink.events.at(-1), `aborted upstream-gone ${replay}`, name)
    t.equal(side.connection.room, 0)
  }
  const fresh = new Side()
  const { sink } = fresh.ask()
  fresh.socket.emit('end')
  t.strictSame(sink.events, ['aborted upstream-gone never'], 'the first one on a connection')
})

t.test(
  'a request that cannot be sent: nothing leaves, the owner hears of it afterwards, the connection goes on',
  async (t) => {
    for (const [name, head] of [
      ['a WebSocket to an upstream without extended CONNECT', websocket],
      ['a head that is larger than it takes', { ...get, headers: ['x', 'y'.repeat(200)] }],
    ] as const) {
      const side = new Side([[MAX_HEADER_LIST_SIZE, 200]])
      const sink = new Sink()
      await side.sent()
      const stream = side.connection.request(head, sink)
      t.strictSame(sink.events, [], `${name}: not before the owner has the stream`)
      t.equal(stream.data(Buffer.from('x')), true)
      stream.end([])
      stream.resumeResponse()
      await nextTurn()
      t.strictSame(sink.events, ['aborted upstream-gone never'], name)
      stream.abort(aborted)
      t.strictSame(await side.sent(), [], `${name}: a stream that the upstream never heard of is not reset`)
      const { sink: next } = side.ask()
      t.match(await side.sent(), [/^HEADERS 1 END_STREAM :method=GET/])
      side.feed(bodiless(1, 200))
      t.strictSame(next.events, [`head 200 ${NO_BODY}`, 'end'])

      const given = side.connection.request(head, sink)
      given.abort(aborted)
      await nextTurn()
      t.equal(sink.events.length, 1, 'who gives up first hears nothing')
    }
  },
)

t.test('answered before the request is complete: the rest is not sent', async (t) => {
  const side = new Side()
  const { sink, stream } = side.ask(post)
  stream.data(Buffer.from('abc'))
  await side.sent()
  side.feed(bodiless(1, 403))
  t.strictSame(await side.sent(), ['RST_STREAM 1 CANCEL'])
  stream.data(Buffer.from('more'))
  stream.end([])
  t.strictSame(await side.sent(), [])
  t.strictSame(sink.events, [`head 403 ${NO_BODY}`, 'end'])
  side.feed(reset(1, 'NO_ERROR'))
  t.equal(sink.events.length, 2)
})

t.test('given up: the upstream is told, and nothing is heard of it again', async (t) => {
  const side = new Side()
  const { sink, stream } = side.ask(post)
  await side.sent()
  stream.abort(aborted)
  stream.abort(aborted)
  stream.data(Buffer.from('x'))
  stream.end([])
  side.feed(answer(1, 200), data(1, 'abc'), data(1, '', END_STREAM))
  t.strictSame(await side.sent(), ['RST_STREAM 1 CANCEL'])
  t.strictSame(sink.events, [])

  const { sink: inHead, stream: other } = side.ask()
  inHead.onHead = () => other.abort(aborted)
  side.feed(bodiless(3, 200))
  t.strictSame(inHead.events, [`head 200 ${NO_BODY}`], 'also in the head')
})

t.test('backpressure, both ways', async (t) => {
  const side = new Side([[INITIAL_WINDOW_SIZE, 3]])
  const { sink, stream } = side.ask(post)
  t.equal(stream.data(Buffer.from('abc')), true)
  t.equal(stream.data(Buffer.from('de')), false)
  side.feed(windowUpdate(1, 2))
  t.equal(sink.events.at(-1), 'drained')
  sink.takes = false
  await side.sent()
  side.feed(answer(1, 200), ...Array.from({ length: 4 }, () => data(1, Buffer.alloc(16_384))))
  t.strictSame(await side.sent(), [])
  side.clock.advance(1000)
  stream.resumeResponse()
  t.strictSame(await side.sent(), ['WINDOW_UPDATE 1 65536'], 'who reads slowly gets what everybody has')
  side.feed(...Array.from({ length: 4 }, () => data(1, Buffer.alloc(16_384))))
  stream.resumeResponse()
  t.strictSame((await side.sent()).slice(-1), ['WINDOW_UPDATE 1 131072'], 'and more who paused for a moment')
})

t.test('extended CONNECT: granted, refused, each half ends by itself', async (t) => {
  const side = new Side([[ENABLE_CONNECT_PROTOCOL, 1]])
  const { sink, stream } = side.ask(websocket)
  t.strictSame(await side.sent(), [
    'HEADERS 1 :method=CONNECT :protocol=websocket :scheme=http :authority=a :path=/chat',
  ])
  side.feed(answer(1, 200, 'x', 'y'), data(1, 'hello', END_STREAM))
  t.strictSame(sink.events, [`head 101 ${UNKNOWN_LENGTH} x y`, 'data hello', 'end'])
  stream.data(Buffer.from('bye'))
  stream.end([])
  t.strictSame(await side.sent(), ['DATA 1 3 END_STREAM'])
  t.equal(side.connection.load, 0)

  const { sink: refused } = side.ask(websocket)
  side.feed(answer(3, 403, 'content-length', '2'), data(3, 'no', END_STREAM))
  t.strictSame(refused.events, ['head 403 2', 'data no', 'end'])
  t.strictSame((await side.sent()).at(-1), 'RST_STREAM 3 CANCEL')

  const { sink: lengthy } = side.ask(websocket)
  side.feed(answer(5, 200, 'content-length', '2'))
  t.strictSame(lengthy.events, ['aborted upstream-malformed never'])
})

t.test('CONNECT: bytes both ways; a tunnel that is lost is not complete', async (t) => {
  const side = new Side()
  const { sink, stream } = side.ask(connect)
  t.strictSame(await side.sent(), ['HEADERS 1 :method=CONNECT :authority=a'])
  side.feed(answer(1, 200), data(1, 'hello'))
  stream.data(Buffer.from('ask'))
  stream.end([])
  t.strictSame(await side.sent(), ['DATA 1 3 END_STREAM'])
  side.feed(data(1, 'more'), trailers(1, 'a', 'b'))
  t.strictSame(sink.events, [
    `head 200 ${UNKNOWN_LENGTH}`,
    'data hello',
    'data more',
    'aborted upstream-malformed never',
  ])

  const { sink: half, stream: other } = side.ask(connect)
  side.feed(answer(3, 200), data(3, 'bye', END_STREAM))
  other.data(Buffer.from('still'))
  side.feed(reset(3))
  t.strictSame(half.events, [`head 200 ${UNKNOWN_LENGTH}`, 'data bye', 'end', 'aborted upstream-gone never'])
})

t.test('time: a request that stands still, and a tunnel', async (t) => {
  const idle = testLimits.requestIdleTimeoutMs + 2000
  const side = new Side([[ENABLE_CONNECT_PROTOCOL, 1]], { tunnelIdleTimeoutMs: 10 * idle })
  const { sink } = side.ask()
  const { sink: tunnel } = side.ask(websocket)
  side.feed(answer(3, 200))
  const { sink: moves, stream } = side.ask(post)
  await side.sent()
  for (let count = 0; count < 4; count += 1) {
    side.clock.advance(idle / 2)
    stream.data(Buffer.from('x'))
  }
  t.strictSame(sink.events, ['aborted timed-out never'])
  t.strictSame(
    (await side.sent()).filter((text) => text.startsWith('RST')),
    ['RST_STREAM 1 CANCEL'],
  )
  t.strictSame([moves.events, tunnel.events.length], [[], 1])
  side.clock.advance(10 * idle)
  t.equal(tunnel.events.at(-1), 'aborted timed-out never')
})

t.test(
  'room: none before the server has greeted, as much as it says, and news of it when there was none',
  async (t) => {
    const side = new Side('unknown')
    t.equal(side.connection.room, 0)
    t.throws(() => side.connection.request(get, new Sink()))
    side.feed(settings([MAX_CONCURRENT_STREAMS, 2]))
    t.equal(side.connection.room, 2)
    t.equal(side.room, 1)
    side.ask()
    side.ask()
    t.equal(side.connection.room, 0)
    side.feed(bodiless(1, 200))
    t.equal(side.room, 2)
    side.feed(bodiless(3, 200))
    t.equal(side.room, 2, 'no news')
    side.ask()
    side.ask()
    side.feed(settings([MAX_CONCURRENT_STREAMS, 3]))
    t.equal(side.room, 3)
    t.equal(side.connection.room, 1)
    side.feed(settings([MAX_CONCURRENT_STREAMS, 1]))
    t.equal(side.connection.room, 0, 'fewer than are open')
  },
)

t.test('room: no more than we want of what the server gives', async (t) => {
  const side = new Side([[MAX_CONCURRENT_STREAMS, 100]], {}, 2)
  t.equal(side.connection.room, 2)
  side.ask()
  side.ask()
  t.equal(side.connection.room, 0)
  t.throws(() => side.connection.request(get, new Sink()))
  const news = side.room
  side.feed(bodiless(1, 200))
  t.equal(side.room, news + 1)
  t.equal(side.connection.room, 1)
  side.feed(settings([MAX_CONCURRENT_STREAMS, 1]))
  t.equal(side.connection.room, 0, 'fewer than we want')
})

t.test('close: after the exchanges under way; destroy: now', async (t) => {
  const side = new Side()
  const { sink } = side.ask()
  side.connection.close()
  t.equal(side.connection.room, 0)
  side.feed(bodiless(1, 200))
  t.strictSame(sink.events, [`head 200 ${NO_BODY}`, 'end'])
  await nextTurn()
  t.ok(side.socket.writableEnded)

  const cut = new Side()
  const { sink: lost } = cut.ask()
  cut.connection.destroy()
  await nextTurn()
  t.strictSame(lost.events, ['aborted upstream-gone never'])
  t.equal(cut.closed, 1)
})

t.test('an upstream that breaks the protocol loses all that it had', async (t) => {
  const side = new Side()
  const sinks = [side.ask().sink, side.ask().sink]
  side.feed(answer(1, 200), ping('short'))
  t.strictSame(side.faults, ['h2-frame-size'])
  t.strictSame(
    sinks.map(({ events }) => events.at(-1)),
    ['aborted upstream-gone never', 'aborted upstream-gone idempotent'],
  )
})

t.test('a body that is not as long as its head says is a bug of ours', async (t) => {
  const side = new Side()
  const { stream } = side.ask({ ...post, bodyLength: 3 })
  t.throws(() => stream.data(Buffer.from('abcd')))
  const { stream: short } = side.ask({ ...post, bodyLength: 3 })
  short.data(Buffer.from('ab'))
  t.throws(() => short.end([]))
})
