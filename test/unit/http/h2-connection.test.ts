// One connection without a network: windows, settings, ends, deadlines and faults, frame by frame.
import t from 'tap'
import { BodyBudget } from '../../../src/http/body-budget.ts'
import { type ConnectionOwner, H2Connection } from '../../../src/http/h2/connection.ts'
import type { H2FaultCode } from '../../../src/http/h2/fault.ts'
import type { H2Stream, StreamLoss, StreamReceiver } from '../../../src/http/h2/stream.ts'
import type { HttpLimits } from '../../../src/http/limits.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { nextTurn, testLimits, WireSocket } from '../../fixtures/http.ts'
import {
  ACK,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  FrameLog,
  frame,
  get,
  goaway,
  headers,
  PADDED,
  ping,
  prefaceBytes,
  request,
  reset,
  settings,
  settingsAck,
  WITH_PRIORITY,
  windowUpdate,
} from '../../fixtures/h2-frames.ts'

const MAX_CONCURRENT_STREAMS = 3
const INITIAL_WINDOW_SIZE = 4
const MAX_HEADER_LIST_SIZE = 6
const LARGEST = 0x7fff_ffff

class Receiver implements StreamReceiver {
  readonly events: string[] = []
  readonly stream: H2Stream
  takes = true
  onExpiredDo: () => void = () => {}

  constructor(stream: H2Stream) {
    this.stream = stream
    stream.receiver = this
  }

  onFields(fields: string[], _overflowed: boolean, ended: boolean): void {
    this.events.push(`fields ${fields.join()}${ended ? ' ended' : ''}`)
  }

  onData(slice: Buffer): boolean {
    this.events.push(`data ${slice.length}`)
    return this.takes
  }

  onEnd(): void {
    this.events.push('end')
  }

  onLost({ message, unprocessed, code }: StreamLoss): void {
    this.events.push(`lost${unprocessed ? ' unprocessed' : ''}${code === undefined ? '' : ` ${code}`}: ${message}`)
  }

  onWritable(): void {
    this.events.push('writable')
  }

  onExpired(): void {
    this.events.push('expired')
    this.onExpiredDo()
  }
}

interface SetUp {
  readonly limits?: Partial<HttpLimits>
  readonly budgetBytes?: number
  readonly pace?: 'fast' | 'slow'
  /** SETTINGS of the peer; without it the peer has not greeted. */
  readonly settings?: readonly (readonly [number, number])[]
}

/** A connection of ours, with the test at the other end of its wire and in the place of its owner. */
class Side implements ConnectionOwner {
  readonly clock: TestClock = new TestClock()
  readonly sweep: Sweep = new Sweep(this.clock)
  readonly socket: WireSocket
  readonly connection: H2Connection
  readonly budget: BodyBudget
  readonly events: string[] = []
  readonly receivers = new Map<number, Receiver>()
  onRoom: () => void = () => {}
  readonly #log: FrameLog
  #read = 0
  #told = 0

  constructor(role: 'server' | 'client', { limits, budgetBytes, pace, settings: pairs }: SetUp = {}) {
    this.socket = new WireSocket(pace)
    this.budget = new BodyBudget(budgetBytes ?? 1 << 30)
    this.#log = new FrameLog(role)
    const options = { role, limits: { ...testLimits, ...limits }, sweep: this.sweep, budget: this.budget }
    this.connection = new H2Connection(this.socket, options, this)
    if (pairs === undefined) return
    this.feed(...(role === 'server' ? [prefaceBytes] : []), settings(...pairs))
  }

  opened(stream: H2Stream, fields: string[], _overflowed: boolean, ended: boolean): void {
    this.events.push(`opened ${stream.id} ${fields[fields.indexOf(':path') + 1]}${ended ? ' ended' : ''}`)
    this.receivers.set(stream.id, new Receiver(stream))
  }

  greeted(): void {
    this.events.push('greeted')
  }

  roomChanged(): void {
    this.onRoom()
  }

  goingAway(error: number, debug: string): void {
    this.events.push(debug === '' ? 'going away' : `going away ${error} ${debug}`)
  }

  faulted(code: H2FaultCode): void {
    this.events.push(code)
  }

  closed(): void {
    this.events.push('closed')
  }

  feed(...frames: readonly Buffer[]): this {
    this.socket.emit('data', Buffer.concat(frames))
    return this
  }

  /** A stream of ours, with a head on it. */
  open(): Receiver {
    const receiver = new Receiver(this.connection.open(request(), [])!)
    this.receivers.set(receiver.stream.id, receiver)
    return receiver
  }

  receiver(id: number): Receiver {
    return this.receivers.get(id)!
  }

  stream(id: number): H2Stream {
    return this.receiver(id).stream
  }

  /** Frames that left since the last call. */
  async sent(): Promise<string[]> {
    await nextTurn()
    for (const bytes of this.socket.written.splice(0)) this.#log.push(bytes)
    const texts = this.#log.frames.slice(this.#read).map(({ text }) => text)
    this.#read = this.#log.frames.length
    return texts
  }

  /** Events since the last call. */
  told(): string[] {
    const events = this.events.slice(this.#told)
    this.#told = this.events.length
    return events
  }

  /** Time passes, and the sweeps with it. */
  wait(ms: number): this {
    this.clock.advance(ms)
    return this
  }
}

const server = (options: SetUp = {}): Side => new Side('server', { settings: [], ...options })
const client = (options: SetUp = {}): Side => new Side('client', { settings: [], ...options })

/** A connection on which everything before has left and was told. */
async function ready(side: Side): Promise<Side> {
  await side.sent()
  side.told()
  return side
}

t.test('the greeting of both roles', async (t) => {
  const ours = new Side('server')
  t.strictSame(await ours.sent(), ['SETTINGS', 'WINDOW_UPDATE 0 983041'], 'before anything has come')
  ours.feed(prefaceBytes, settings([INITIAL_WINDOW_SIZE, 10]), settingsAck)
  t.strictSame(ours.told(), ['greeted'])
  t.strictSame(await ours.sent(), ['SETTINGS ACK'])

  const theirs = new Side('client')
  t.strictSame(await theirs.sent(), ['SETTINGS', 'WINDOW_UPDATE 0 983041'])
  t.equal(theirs.connection.room, 0, 'nothing is sent before the server has greeted')
  theirs.feed(settings([MAX_CONCURRENT_STREAMS, 7]))
  t.equal(theirs.connection.room, 7)
  t.strictSame(await theirs.sent(), ['SETTINGS ACK'])

  for (const [role, expected] of [
    ['server', { 3: 100, 4: 65_536, 6: 4096, 8: 1 }],
    ['client', { 2: 0, 4: 65_536, 6: 4096 }],
  ] as const) {
    const side = new Side(role)
    await nextTurn()
    const log = new FrameLog(role)
    for (const bytes of side.socket.written) log.push(bytes)
    const { payload } = log.frames[0]!
    const seen: Record<number, number> = {}
    for (let at = 0; at < payload.length; at += 6) seen[payload.readUInt16BE(at)] = payload.readUInt32BE(at + 2)
    t.strictSame(seen, expected, role)
  }
})

t.test('PING is answered with what it said; the first answer to SETTINGS is its acknowledgement', async (t) => {
  const side = await ready(server())
  side.feed(ping('12345678'), settings([1, 0], [99, 5]), ping('abcdefgh', ACK))
  await nextTurn()
  t.equal(Buffer.concat(side.socket.written).subarray(9, 17).toString(), '12345678')
  t.strictSame(await side.sent(), ['PING ACK', 'SETTINGS ACK'])
})

t.test('what is sent keeps to the window of its stream', async (t) => {
  const side = await ready(server({ settings: [[INITIAL_WINDOW_SIZE, 10]] }))
  side.feed(get(1))
  const stream = side.stream(1)
  t.equal(stream.data(Buffer.alloc(25)), false)
  t.equal(stream.data(Buffer.alloc(5)), false, 'it waits behind')
  stream.end([])
  t.strictSame(await side.sent(), ['DATA 1 10'])
  side.feed(windowUpdate(1, 16))
  t.strictSame(await side.sent(), ['DATA 1 15', 'DATA 1 1'])
  t.strictSame(side.receiver(1).events, [])
  side.feed(windowUpdate(1, 4))
  t.strictSame(await side.sent(), ['DATA 1 4 END_STREAM'], 'the end goes with the last of it')
  t.equal(side.connection.streams, 0)
})

t.test('the source is told when what waited has left', async (t) => {
  const side = await ready(server({ settings: [[INITIAL_WINDOW_SIZE, 0]] }))
  side.feed(get(1))
  t.equal(side.stream(1).data(Buffer.alloc(5)), false)
  side.feed(windowUpdate(1, 4))
  t.strictSame(side.receiver(1).events, [])
  side.feed(windowUpdate(1, 1))
  t.strictSame(side.receiver(1).events, ['writable'])
  t.equal(side.stream(1).data(Buffer.alloc(0)), true)
})

t.test('SETTINGS change the windows of open streams, also below zero', async (t) => {
  const side = await ready(server({ settings: [[INITIAL_WINDOW_SIZE, 100]] }))
  side.feed(get(1), get(3))
  side.stream(1).data(Buffer.alloc(90))
  t.strictSame(await side.sent(), ['DATA 1 90'])
  side.feed(settings([INITIAL_WINDOW_SIZE, 20]))
  t.equal(side.stream(1).sendWindow, -70)
  t.equal(side.stream(3).sendWindow, 20)
  side.stream(1).data(Buffer.alloc(50))
  side.feed(windowUpdate(1, 70))
  t.strictSame(await side.sent(), ['SETTINGS ACK'], 'at zero nothing is sent')
  side.feed(windowUpdate(1, 1))
  t.strictSame(await side.sent(), ['DATA 1 1'])
  side.feed(settings([INITIAL_WINDOW_SIZE, 30], [INITIAL_WINDOW_SIZE, 69]))
  t.strictSame(await side.sent(), ['SETTINGS ACK', 'DATA 1 49'], 'the last value counts; acknowledged first')
  t.strictSame(side.receiver(1).events, ['writable'])
  side.feed(get(5))
  t.equal(side.stream(5).sendWindow, 69)
})

t.test('streams that wait for the window of the connection are served in order, each by itself', async (t) => {
  const side = await ready(server({ settings: [[INITIAL_WINDOW_SIZE, 1 << 20]] }))
  side.feed(get(1), get(3), get(5), get(7))
  side.stream(1).data(Buffer.alloc(65_535 - 10))
  await side.sent()
  for (const id of [3, 5, 7]) side.stream(id).data(Buffer.alloc(100))
  t.strictSame(await side.sent(), ['DATA 3 10'])
  side.feed(windowUpdate(0, 120))
  t.strictSame(await side.sent(), ['DATA 3 90', 'DATA 5 30'])
  side.stream(3).data(Buffer.alloc(7))
  side.feed(windowUpdate(0, 10))
  t.strictSame(await side.sent(), ['DATA 7 10'], 'who has had some stands at the end')
  side.feed(reset(5), windowUpdate(0, 95))
  t.strictSame(await side.sent(), ['DATA 3 7', 'DATA 7 88'], 'a stream that is gone takes none')
  side.feed(windowUpdate(0, 1000))
  t.strictSame(await side.sent(), ['DATA 7 2'])
  side.stream(1).data(Buffer.alloc(50))
  t.strictSame(await side.sent(), ['DATA 1 50'])
})

t.test('a stream without a window of its own does not hold up the others', async (t) => {
  const side = await ready(server({ settings: [[INITIAL_WINDOW_SIZE, 5]] }))
  side.feed(get(1), get(3))
  side.stream(1).data(Buffer.alloc(1000))
  side.stream(3).data(Buffer.alloc(5))
  t.strictSame(await side.sent(), ['DATA 1 5', 'DATA 3 5'])
  side.feed(windowUpdate(0, 1), windowUpdate(3, 1))
  side.stream(3).data(Buffer.alloc(2))
  t.strictSame(await side.sent(), ['DATA 3 1'])
})

t.test('the socket that is full takes no more content; what waits leaves when it has drained', async (t) => {
  const side = await ready(server({ pace: 'slow', settings: [[INITIAL_WINDOW_SIZE, 1 << 30]] }))
  side.socket.accept()
  side.feed(windowUpdate(0, 1 << 30), get(1), get(3))
  let size = 0
  while (side.stream(1).data(Buffer.alloc(10_000, 'x'))) {
    size += 10_000
    await nextTurn()
  }
  size += 10_000
  for (const id of [1, 3]) for (let count = 0; count < 50; count += 1) side.stream(id).data(Buffer.alloc(10_000))
  size += 1_000_000
  side.stream(3).end(['a', 'b'])
  await nextTurn()
  t.ok(side.socket.writableLength < 200_000, `${side.socket.writableLength} bytes in the socket`)
  const texts: string[] = []
  for (let turn = 0; turn < 100; turn += 1) {
    side.socket.accept()
    texts.push(...(await side.sent()))
  }
  const bytes = texts.filter((text) => text.startsWith('DATA')).map((text) => Number(text.split(' ')[2]))
  t.equal(
    bytes.reduce((sum, length) => sum + length, 0),
    size,
  )
  t.strictSame(side.receiver(1).events, ['writable'])
  t.match(texts.filter((text) => / 3 /.test(text)).at(-1), 'HEADERS 3 END_STREAM a=b')
})

t.test('trailers end their stream, also when they are what fills the write', async (t) => {
  for (let fill = 65_400; fill < 65_600; fill += 1) {
    const side = server({ settings: [[INITIAL_WINDOW_SIZE, 1 << 20]] })
    side.feed(windowUpdate(0, 1 << 20), get(1))
    await side.sent()
    side.stream(1).data(Buffer.alloc(fill))
    side.stream(1).end(['grpc-status', '0', 'grpc-message', 'fine'])
    const texts = await side.sent()
    if (texts.at(-1) !== 'HEADERS 1 END_STREAM grpc-status=0 grpc-message=fine')
      t.fail(`${fill}: ${texts.slice(-2).join()}`)
  }
  t.pass('200 sizes')
})

t.test('content is credited: its stream at half of its window, the connection at a quarter', async (t) => {
  const side = await ready(server({ limits: { streamWindowBytes: 65_536, connectionWindowBytes: 262_144 } }))
  side.feed(headers(1, request('POST')))
  for (const [content, frames] of [
    [16_384, []],
    [16_383, []],
    // The reader keeps up: its stream gets as much again, up to half of what the connection has.
    [1, ['WINDOW_UPDATE 1 98304']],
    [16_384, []],
    [16_384, ['WINDOW_UPDATE 0 65536']],
    [16_384, []],
    [16_384, ['WINDOW_UPDATE 1 65536']],
  ] as const) {
    side.feed(data(1, Buffer.alloc(content)))
    t.strictSame(await side.sent(), frames)
  }
  side.feed(data(1, Buffer.alloc(16_384), END_STREAM))
  t.strictSame(await side.sent(), [], 'nothing for a stream that has ended')
})

t.test('padding is credited, too', async (t) => {
  const side = await ready(server({ limits: { streamWindowBytes: 65_536, connectionWindowBytes: 65_536 } }))
  side.feed(headers(1, request('POST')))
  const padded = data(1, Buffer.concat([Buffer.of(255), Buffer.alloc(256)]), PADDED)
  for (let count = 0; count < 1000; count += 1) side.feed(padded)
  const credited = (id: number, texts: readonly string[]): number =>
    texts.reduce((sum, text) => sum + (text.startsWith(`WINDOW_UPDATE ${id} `) ? Number(text.split(' ')[2]) : 0), 0)
  const texts = await side.sent()
  t.ok(credited(0, texts) > 257_000 - 16_384)
  t.ok(credited(1, texts) > 257_000 - 32_768)
  t.equal(side.receiver(1).events.join(), 'data 1,'.repeat(1000).slice(0, -1))
})

t.test('a slow reader holds its own stream only', async (t) => {
  const side = await ready(server({ limits: { connectionWindowBytes: 131_072 } }))
  side.feed(headers(1, request('POST')), headers(3, request('POST')))
  side.receiver(1).takes = false
  for (let count = 0; count < 4; count += 1) side.feed(data(1, Buffer.alloc(16_384)))
  t.strictSame(await side.sent(), ['WINDOW_UPDATE 0 32768', 'WINDOW_UPDATE 0 32768'])
  t.equal(side.budget.heldBytes, 65_536)
  for (let count = 0; count < 64; count += 1) side.feed(data(3, Buffer.alloc(16_384)))
  t.equal((await side.sent()).filter((text) => text === 'WINDOW_UPDATE 3 32768').length, 32)
  side.stream(1).resume()
  t.strictSame(await side.sent(), ['WINDOW_UPDATE 1 65536'])
  t.equal(side.budget.heldBytes, 0)
  side.stream(1).resume()
  t.strictSame(await side.sent(), [], 'once')
  side.feed(data(1, ''), data(1, Buffer.alloc(16_384)))
  t.equal(side.budget.heldBytes, 16_384, 'and again')
  side.feed(reset(1))
  t.equal(side.budget.heldBytes, 0)
})

t.test('beyond the budget the window of the connection waits for what was taken', async (t) => {
  const side = await ready(server({ limits: { connectionWindowBytes: 65_536 }, budgetBytes: 20_000 }))
  for (const id of [1, 3, 5]) {
    side.feed(headers(id, request('POST')))
    side.receiver(id).takes = false
  }
  side.feed(data(1, Buffer.alloc(16_384)))
  t.strictSame(await side.sent(), ['WINDOW_UPDATE 0 16384'])
  side.feed(data(3, Buffer.alloc(16_384)), data(5, Buffer.alloc(16_384)))
  t.strictSame(await side.sent(), [], 'exhausted')
  t.equal(side.budget.heldBytes, 49_152)
  side.stream(1).resume()
  t.strictSame(await side.sent(), [], 'that was credited before')
  side.stream(3).resume()
  t.strictSame(await side.sent(), ['WINDOW_UPDATE 0 16384'])
  side.stream(5).reset(8)
  t.strictSame(await side.sent(), ['RST_STREAM 5 CANCEL', 'WINDOW_UPDATE 0 16384'])
  t.equal(side.budget.heldBytes, 0)
})

t.test('budget and windows come back when the connection is lost', async (t) => {
  const side = await ready(server({ budgetBytes: 10 }))
  side.feed(headers(1, request('POST')))
  side.receiver(1).takes = false
  side.feed(data(1, Buffer.alloc(16_384)))
  side.connection.destroy()
  await nextTurn()
  t.equal(side.budget.heldBytes, 0)
  t.strictSame(side.told().slice(-1), ['closed'])
  t.strictSame(side.receiver(1).events, ['data 16384', 'lost: the connection closed'])
})

t.test('content for a stream that we reset is dropped and credited', async (t) => {
  const side = await ready(server({ limits: { connectionWindowBytes: 65_536 } }))
  side.feed(headers(1, request('POST')))
  side.stream(1).reset(8)
  await side.sent()
  for (let count = 0; count < 4000; count += 1) side.feed(data(1, Buffer.alloc(1000)))
  side.feed(reset(1), windowUpdate(1, 5), headers(1, ['a', 'b'], END_HEADERS | END_STREAM))
  t.equal((await side.sent()).join(), 'WINDOW_UPDATE 0 17000,'.repeat(235).slice(0, -1))
  t.strictSame(side.receiver(1).events, [])
  t.equal(side.connection.streams, 0)
})

t.test('a stream that we reset is remembered, however many others end after it', async (t) => {
  const side = await ready(server())
  side.feed(headers(1, request('POST')))
  side.stream(1).reset(0)
  for (let id = 3; id < 2000; id += 2) {
    side.feed(get(id))
    side.stream(id).end([])
  }
  await ready(side)
  side.feed(data(1, 'late'), headers(1, ['late', 'trailer'], END_HEADERS | END_STREAM))
  t.strictSame(await side.sent(), [])
  t.strictSame(side.told(), [])
})

t.test('trailers that the peer does not take break the stream off: it never looks complete without them', async (t) => {
  const side = await ready(server({ settings: [[MAX_HEADER_LIST_SIZE, 100]] }))
  side.feed(get(1), get(3))
  t.equal(side.connection.sendHeaders(side.stream(1), [':status', '200'], ['a', 'x'.repeat(60)]), false)
  t.equal(side.connection.sendHeaders(side.stream(1), [':status', '200'], []), true)
  side.stream(1).data(Buffer.from('ab'))
  side.stream(1).end(['grpc-status', '0', 'grpc-message', 'x'.repeat(60)])
  t.strictSame(await side.sent(), ['HEADERS 1 :status=200', 'DATA 1 2', 'RST_STREAM 1 INTERNAL_ERROR'])
  t.match(side.receiver(1).events, ['lost: '])
})

const lost = 'the peer goes away'
t.test('client: after GOAWAY what was not looked at is lost as such, the rest goes on to its end', async (t) => {
  const side = await ready(client())
  const [first, second, third] = [side.open(), side.open(), side.open()]
  side.feed(goaway(3))
  t.strictSame(side.told(), ['going away'])
  t.equal(side.connection.room, 0)
  t.strictSame([first.events, second.events, third.events], [[], [], [`lost unprocessed: ${lost}`]])
  first.stream.end([])
  second.stream.end([])
  side.feed(headers(1, [':status', '200'], END_HEADERS | END_STREAM), headers(5, [':status', '200']))
  side.feed(goaway(1))
  t.strictSame(second.events, [`lost unprocessed: ${lost}`], 'the second GOAWAY may name fewer')
  await nextTurn()
  t.ok(side.socket.writableEnded, 'ended with the last stream')
  t.strictSame(first.events, ['fields :status,200 ended'])
})

t.test('server: a client that says GOAWAY gets its answers, then the end', async (t) => {
  const side = await ready(server())
  side.feed(get(1), goaway(0))
  t.notOk(side.socket.writableEnded)
  side.stream(1).end([])
  t.strictSame(await side.sent(), ['DATA 1 0 END_STREAM'])
  t.ok(side.socket.writableEnded)

  const idle = await ready(server())
  idle.feed(goaway(0, 'PROTOCOL_ERROR'))
  t.ok(idle.socket.writableEnded, 'at once when nothing is open')
})

t.test('retire: two steps, and what was on its way between them is served', async (t) => {
  const side = await ready(server())
  side.feed(get(1))
  side.connection.retire()
  side.connection.retire()
  t.strictSame(await side.sent(), [`GOAWAY ${LARGEST} NO_ERROR`, 'PING'])
  side.feed(get(3), ping('draining', ACK))
  t.strictSame(await side.sent(), ['GOAWAY 3 NO_ERROR'])
  side.feed(headers(5, request('POST')), data(5, 'dropped'), windowUpdate(5, 1), reset(5), get(7))
  t.equal(side.connection.streams, 2, 'what comes behind is not looked at')
  side.stream(1).end([])
  t.notOk(side.socket.writableEnded)
  side.stream(3).end([])
  t.strictSame(await side.sent(), ['DATA 1 0 END_STREAM', 'DATA 3 0 END_STREAM'])
  t.ok(side.socket.writableEnded)
})

t.test('retire: a connection that carried nothing takes one request first', async (t) => {
  const side = await ready(server())
  side.connection.retire()
  t.strictSame(await side.sent(), [])
  side.feed(get(1))
  t.strictSame(await side.sent(), [`GOAWAY ${LARGEST} NO_ERROR`, 'PING'])
  t.strictSame(side.told(), ['opened 1 / ended'])
  side.feed(ping('draining'), ping('drained!', ACK))
  t.strictSame(await side.sent(), ['PING ACK'], 'only the answer to our own PING says that it was read')
})

t.test('close: no more streams, the end with the last one', async (t) => {
  for (const role of ['server', 'client'] as const) {
    const side = await ready(new Side(role, { settings: [] }))
    if (role === 'server') side.feed(get(1), get(3))
    else side.open()
    side.connection.close()
    side.connection.close()
    t.equal(side.connection.room, 0)
    t.match((await side.sent()).at(-1), role === 'server' ? 'GOAWAY 3 NO_ERROR' : 'GOAWAY 0 NO_ERROR')
    for (const { stream } of side.receivers.values()) stream.end([])
    if (role === 'client') side.feed(headers(1, [':status', '200'], END_HEADERS | END_STREAM))
    await nextTurn()
    t.ok(side.socket.writableEnded, role)
  }
  const idle = await ready(server())
  idle.connection.close()
  t.strictSame(await idle.sent(), ['GOAWAY 0 NO_ERROR'])
  t.ok(idle.socket.writableEnded)
})

t.test('closing: who reads slowly gets the last answer to its end', async (t) => {
  const side = await ready(server({ pace: 'slow', settings: [[INITIAL_WINDOW_SIZE, 1 << 20]] }))
  side.socket.accept()
  side.feed(get(1))
  side.stream(1).data(Buffer.alloc(50_000))
  side.stream(1).end([])
  side.connection.close()
  await nextTurn()
  side.wait(30_000)
  t.notOk(side.socket.destroyed)
  for (let turn = 0; turn < 20; turn += 1) {
    side.socket.accept()
    await nextTurn()
  }
  t.ok(side.socket.writableFinished)
  side.wait(3000)
  t.ok(side.socket.destroyed, 'then it may linger for a moment')

  const never = await ready(server({ pace: 'slow' }))
  never.connection.close()
  never.wait(testLimits.requestIdleTimeoutMs + 2000)
  t.ok(never.socket.destroyed, 'who does not read at all is cut')
})

t.test('the peer ends or breaks the connection: what is open is lost, and nothing new goes on it', async (t) => {
  const side = await ready(client({ settings: [[MAX_CONCURRENT_STREAMS, 2]] }))
  side.open()
  side.open()
  let offered = 0
  side.onRoom = () => {
    if (side.connection.room > 0) offered += 1
  }
  side.socket.emit('end')
  t.strictSame(
    [...side.receivers.values()].map(({ events }) => events),
    [['lost: the connection ended'], ['lost: the connection ended']],
  )
  t.equal(offered, 0, 'no room on a connection that ends')
  t.ok(side.socket.writableEnded)

  const broken = await ready(server())
  broken.feed(get(1))
  broken.socket.emit('error', new Error('reset'))
  await nextTurn()
  t.strictSame(broken.told(), ['opened 1 / ended', 'closed'])
  t.strictSame(broken.receiver(1).events, ['lost: the connection closed'])
})

t.test('time: preface, frame and field block must be complete within headTimeoutMs', async (t) => {
  const late = testLimits.headTimeoutMs + 1500
  const begun: readonly (readonly [name: string, side: Side])[] = [
    ['nothing', new Side('server')],
    ['half a preface', new Side('server').feed(prefaceBytes.subarray(0, 10))],
    ['a preface without SETTINGS', new Side('server').feed(prefaceBytes)],
    ['no SETTINGS of a server', new Side('client')],
    ['half a frame', server().feed(ping().subarray(0, 12))],
    ['one byte of a frame', server().feed(ping().subarray(0, 1))],
    ['a block without its end', server().feed(headers(1, request(), END_STREAM))],
  ]
  for (const [name, side] of begun) {
    side.wait(testLimits.headTimeoutMs - 1000)
    t.notOk(side.events.includes('h2-timed-out'), `${name}: not yet`)
    side.wait(2500)
    t.ok(side.events.includes('h2-timed-out'), name)
    t.match((await side.sent()).at(-1), /^GOAWAY 0 ENHANCE_YOUR_CALM/)
  }
  const slow = server()
  for (const byte of ping()) slow.feed(Buffer.of(byte)).wait(testLimits.headTimeoutMs / 10)
  t.ok(slow.events.includes('h2-timed-out'), 'byte by byte')
  const pieces = server().feed(headers(1, request(), END_STREAM))
  for (let count = 0; count < 20; count += 1) pieces.feed(frame('CONTINUATION', 0, 1, block(['a', 'b']))).wait(1000)
  t.ok(pieces.events.includes('h2-timed-out'), 'the frames of a block do not prolong it')
  const fine = server()
  for (let count = 0; count < 30; count += 1) {
    // Always a frame under way, but each one in time.
    fine.feed(ping().subarray(count === 0 ? 0 : 5), ping().subarray(0, 5)).wait(1000)
  }
  t.notOk(fine.events.includes('h2-timed-out'))
  const content = server()
    .feed(headers(1, request('POST')), data(1, 'abc').subarray(0, 10))
    .wait(late)
  t.notOk(content.events.includes('h2-timed-out'), 'content has the time of its stream')
})

t.test('time: a connection without streams closes after connectionIdleTimeoutMs', async (t) => {
  const side = await ready(server())
  side.wait(testLimits.connectionIdleTimeoutMs - 1000)
  side.feed(get(1), ping())
  await ready(side)
  side.wait(10_000)
  t.strictSame(await side.sent(), [], 'not with a stream')
  side.stream(1).end([])
  await ready(side)
  side.wait(testLimits.connectionIdleTimeoutMs - 1000).feed(ping())
  t.strictSame(await side.sent(), ['PING ACK'])
  side.wait(3000)
  t.strictSame(await side.sent(), ['GOAWAY 1 NO_ERROR'], 'PING does not keep it')
  t.ok(side.socket.writableEnded)
  side.wait(3000)
  t.ok(side.socket.destroyed)
  await nextTurn()
  side.wait(1000)
  t.equal(side.clock.pending, 0, 'and the sweep has forgotten it')
})

t.test('time: each stream has its own deadline', async (t) => {
  const side = await ready(server())
  side.feed(get(1), get(3))
  side.stream(3).deadline = side.sweep.in(5000)
  side.receiver(3).onExpiredDo = () => side.stream(3).reset(8)
  side.wait(10_000)
  t.strictSame([side.receiver(1).events, side.receiver(3).events], [[], ['expired']])
  side.wait(testLimits.requestIdleTimeoutMs)
  t.match(side.receiver(1).events, ['expired'])
  t.equal(side.connection.streams, 1, 'what it means is its owner`s')
})

t.test('more streams than maxConcurrentStreams are refused, and those that are open go on', async (t) => {
  const side = await ready(server({ limits: { maxConcurrentStreams: 2 } }))
  side.feed(get(1), get(3), get(5), headers(7, request('POST')), data(7, 'x'))
  t.strictSame(await side.sent(), ['RST_STREAM 5 REFUSED_STREAM', 'RST_STREAM 7 REFUSED_STREAM'])
  t.strictSame(side.told(), ['opened 1 / ended', 'opened 3 / ended', 'h2-too-many-streams', 'h2-too-many-streams'])
  side.stream(1).end([])
  side.feed(get(9))
  t.strictSame(side.told(), ['opened 9 / ended'])
})

const post = headers(1, request('POST'))
const unindexed = frame('HEADERS', END_HEADERS | END_STREAM, 1, Buffer.of(0x80))
const priority = (dependency: number): Buffer => Buffer.from([0, 0, 0, dependency, 16])

t.test('faults of the connection: GOAWAY with the error, and the end', async (t) => {
  const cases: readonly [
    name: string,
    role: 'server' | 'client',
    frames: readonly Buffer[],
    code: H2FaultCode,
    error: string,
  ][] = [
    ['SETTINGS on a stream', 'server', [frame('SETTINGS', 0, 1)], 'h2-frame-unexpected', 'PROTOCOL_ERROR'],
    ['SETTINGS of 5 bytes', 'server', [frame('SETTINGS', 0, 0, Buffer.alloc(5))], 'h2-frame-size', 'FRAME_SIZE_ERROR'],
    [
      'an acknowledgement with content',
      'server',
      [frame('SETTINGS', ACK, 0, Buffer.alloc(6))],
      'h2-frame-size',
      'FRAME_SIZE_ERROR',
    ],
    ['a frame size of 16383', 'server', [settings([5, 16_383])], 'h2-setting', 'PROTOCOL_ERROR'],
    ['a frame size of 2^24', 'server', [settings([5, 1 << 24])], 'h2-setting', 'PROTOCOL_ERROR'],
    ['ENABLE_PUSH of 2', 'server', [settings([2, 2])], 'h2-setting', 'PROTOCOL_ERROR'],
    ['ENABLE_PUSH of a server', 'client', [settings([2, 1])], 'h2-setting', 'PROTOCOL_ERROR'],
    ['ENABLE_CONNECT_PROTOCOL of 2', 'client', [settings([8, 2])], 'h2-setting', 'PROTOCOL_ERROR'],
    ['a window of 2^31', 'server', [settings([4, 2 ** 31])], 'h2-window-overflow', 'FLOW_CONTROL_ERROR'],
    [
      'a window of a stream that grows beyond it',
      'server',
      [post, windowUpdate(1, LARGEST - 65_535), settings([4, 65_536])],
      'h2-window-overflow',
      'FLOW_CONTROL_ERROR',
    ],
    [
      'a window of the connection beyond it',
      'server',
      [windowUpdate(0, LARGEST)],
      'h2-window-overflow',
      'FLOW_CONTROL_ERROR',
    ],
    ['WINDOW_UPDATE of nothing', 'server', [windowUpdate(0, 0)], 'h2-window-increment', 'PROTOCOL_ERROR'],
    [
      'WINDOW_UPDATE of 3 bytes',
      'server',
      [frame('WINDOW_UPDATE', 0, 0, Buffer.alloc(3))],
      'h2-frame-size',
      'FRAME_SIZE_ERROR',
    ],
    ['WINDOW_UPDATE of an idle stream', 'server', [windowUpdate(1, 1)], 'h2-stream-idle', 'PROTOCOL_ERROR'],
    ['PING of 7 bytes', 'server', [ping('1234567')], 'h2-frame-size', 'FRAME_SIZE_ERROR'],
    ['PING on a stream', 'server', [frame('PING', 0, 1, Buffer.alloc(8))], 'h2-frame-unexpected', 'PROTOCOL_ERROR'],
    ['GOAWAY on a stream', 'server', [frame('GOAWAY', 0, 1, Buffer.alloc(8))], 'h2-frame-unexpected', 'PROTOCOL_ERROR'],
    ['GOAWAY of 7 bytes', 'server', [frame('GOAWAY', 0, 0, Buffer.alloc(7))], 'h2-frame-size', 'FRAME_SIZE_ERROR'],
    ['RST_STREAM of an idle stream', 'server', [reset(1)], 'h2-stream-idle', 'PROTOCOL_ERROR'],
    [
      'RST_STREAM of 3 bytes',
      'server',
      [post, frame('RST_STREAM', 0, 1, Buffer.alloc(3))],
      'h2-frame-size',
      'FRAME_SIZE_ERROR',
    ],
    ['RST_STREAM of the connection', 'server', [reset(0)], 'h2-frame-unexpected', 'PROTOCOL_ERROR'],
    [
      'PRIORITY of the connection',
      'server',
      [frame('PRIORITY', 0, 0, Buffer.alloc(5))],
      'h2-frame-unexpected',
      'PROTOCOL_ERROR',
    ],
    ['HEADERS of the connection', 'server', [headers(0, request())], 'h2-frame-unexpected', 'PROTOCOL_ERROR'],
    ['HEADERS of an even stream', 'server', [headers(2, request())], 'h2-stream-id', 'PROTOCOL_ERROR'],
    ['HEADERS of a stream before the last', 'server', [get(5), get(3)], 'h2-stream-id', 'PROTOCOL_ERROR'],
    [
      'HEADERS that depend on themselves',
      'server',
      [frame('HEADERS', END_HEADERS | WITH_PRIORITY, 1, Buffer.concat([priority(1), block(request())]))],
      'h2-self-dependency',
      'PROTOCOL_ERROR',
    ],
    [
      'HEADERS with half a priority',
      'server',
      [frame('HEADERS', END_HEADERS | WITH_PRIORITY, 1, Buffer.alloc(4))],
      'h2-frame-size',
      'FRAME_SIZE_ERROR',
    ],
    [
      'HEADERS with more padding than payload',
      'server',
      [frame('HEADERS', END_HEADERS | PADDED, 1, Buffer.of(5, 0, 0, 0, 0))],
      'h2-padding',
      'PROTOCOL_ERROR',
    ],
    [
      'HEADERS padded, of no bytes',
      'server',
      [frame('HEADERS', END_HEADERS | PADDED, 1)],
      'h2-frame-size',
      'FRAME_SIZE_ERROR',
    ],
    ['a block that is not HPACK', 'server', [unindexed], 'h2-compression', 'COMPRESSION_ERROR'],
    ['a block that is not HPACK, of trailers', 'server', [post, unindexed], 'h2-compression', 'COMPRESSION_ERROR'],
    [
      'another frame within a block',
      'server',
      [headers(1, request(), 0), ping()],
      'h2-frame-unexpected',
      'PROTOCOL_ERROR',
    ],
    [
      'DATA within a block',
      'server',
      [headers(1, request(), 0), data(1, 'x')],
      'h2-frame-unexpected',
      'PROTOCOL_ERROR',
    ],
    [
      'CONTINUATION of another stream',
      'server',
      [headers(1, request(), 0), frame('CONTINUATION', 4, 3)],
      'h2-frame-unexpected',
      'PROTOCOL_ERROR',
    ],
    ['CONTINUATION alone', 'server', [frame('CONTINUATION', 4, 1)], 'h2-frame-unexpected', 'PROTOCOL_ERROR'],
    [
      'CONTINUATION behind the end',
      'server',
      [get(1), frame('CONTINUATION', 4, 1)],
      'h2-frame-unexpected',
      'PROTOCOL_ERROR',
    ],
    [
      'PUSH_PROMISE of a client',
      'server',
      [frame('PUSH_PROMISE', 4, 1, Buffer.alloc(4))],
      'h2-frame-unexpected',
      'PROTOCOL_ERROR',
    ],
    [
      'PUSH_PROMISE of a server',
      'client',
      [frame('PUSH_PROMISE', 4, 1, Buffer.alloc(4))],
      'h2-frame-unexpected',
      'PROTOCOL_ERROR',
    ],
    ['a stream of a server', 'client', [headers(2, [':status', '200'])], 'h2-stream-idle', 'PROTOCOL_ERROR'],
    ['an answer to nothing', 'client', [headers(1, [':status', '200'])], 'h2-stream-idle', 'PROTOCOL_ERROR'],
    ['DATA of the connection', 'server', [data(0, 'x')], 'h2-frame-unexpected', 'PROTOCOL_ERROR'],
    ['DATA of an idle stream', 'server', [data(1, 'x')], 'h2-stream-idle', 'PROTOCOL_ERROR'],
    ['DATA of an even stream', 'server', [data(2, 'x')], 'h2-stream-idle', 'PROTOCOL_ERROR'],
    [
      'a frame that is too large',
      'server',
      [frame('PING', 0, 0, Buffer.alloc(0), 20_000)],
      'h2-frame-size',
      'FRAME_SIZE_ERROR',
    ],
  ]
  for (const [name, role, frames, code, error] of cases) {
    const side = await ready(new Side(role, { settings: [] }))
    side.feed(...frames)
    t.ok(side.told().includes(code), `${name}: ${code}`)
    t.match((await side.sent()).at(-1), new RegExp(`^GOAWAY \\d ${error}$`), name)
    t.ok(side.socket.writableEnded, name)
    side.feed(ping(), get(99))
    t.strictSame(await side.sent(), [], `${name}: deaf afterwards`)
    side.wait(3000)
    t.ok(side.socket.destroyed, name)
  }
  for (const [name, bytes] of [
    ['HTTP/1', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['PING before SETTINGS', Buffer.concat([prefaceBytes, ping()])],
    ['DATA before SETTINGS', Buffer.concat([prefaceBytes, data(1, 'x')])],
    ['an acknowledgement before SETTINGS', Buffer.concat([prefaceBytes, settingsAck])],
  ] as const) {
    const side = new Side('server').feed(bytes)
    t.strictSame(side.told(), ['h2-preface'], name)
    t.ok(side.socket.writableEnded)
  }
})

t.test('the window of the connection that is exceeded ends it', async (t) => {
  const side = await ready(server({ limits: { connectionWindowBytes: 65_535, streamWindowBytes: 1 << 20 } }))
  side.feed(headers(1, request('POST')), headers(3, request('POST')))
  side.receiver(1).takes = false
  // Nothing is credited below a quarter; then each read is one.
  for (let count = 0; count < 4; count += 1) side.feed(data(1, Buffer.alloc(16_000)))
  side.budget.hold(2 ** 31)
  for (let count = 0; count < 8; count += 1) side.feed(data(1, Buffer.alloc(16_000)))
  t.strictSame(side.told().slice(2), ['h2-window-exceeded'])
  t.match((await side.sent()).at(-1), 'GOAWAY 3 FLOW_CONTROL_ERROR')
})

t.test('faults of a stream: RST_STREAM with the error, and the others go on', async (t) => {
  const full = data(1, Buffer.alloc(16_384))
  const cases: readonly [name: string, frames: readonly Buffer[], code: H2FaultCode, error: string][] = [
    ['WINDOW_UPDATE of nothing', [windowUpdate(1, 0)], 'h2-window-increment', 'PROTOCOL_ERROR'],
    ['a window beyond 2^31-1', [windowUpdate(1, LARGEST)], 'h2-window-overflow', 'FLOW_CONTROL_ERROR'],
    ['more than its window', [full, full, full, full, data(1, 'x')], 'h2-window-exceeded', 'FLOW_CONTROL_ERROR'],
    ['DATA behind the end', [data(1, '', END_STREAM), data(1, 'x')], 'h2-stream-closed', 'STREAM_CLOSED'],
    ['HEADERS behind the end', [data(1, '', END_STREAM), headers(1, ['a', 'b'])], 'h2-stream-closed', 'STREAM_CLOSED'],
    ['PRIORITY of 4 bytes', [frame('PRIORITY', 0, 1, Buffer.alloc(4))], 'h2-frame-size', 'FRAME_SIZE_ERROR'],
    ['PRIORITY on itself', [frame('PRIORITY', 0, 1, priority(1))], 'h2-self-dependency', 'PROTOCOL_ERROR'],
  ]
  for (const [name, frames, code, error] of cases) {
    const side = await ready(server())
    side.feed(post, get(3))
    side.receiver(1).takes = false
    await ready(side)
    side.feed(...frames)
    t.strictSame(side.told(), [code], name)
    t.match(
      (await side.sent()).filter((text) => !text.startsWith('WINDOW_UPDATE 0')),
      [`RST_STREAM 1 ${error}`],
      name,
    )
    t.match(side.receiver(1).events.at(-1), /^lost: /)
    t.equal(side.connection.streams, 1)
    side.stream(3).end([])
    t.strictSame(await side.sent(), ['DATA 3 0 END_STREAM'])
  }
  const closed = await ready(server())
  closed.feed(get(1))
  closed.stream(1).end([])
  await ready(closed)
  closed.feed(data(1, 'x'))
  t.strictSame(await closed.sent(), ['RST_STREAM 1 STREAM_CLOSED'], 'also for one that is over')
  closed.feed(headers(1, ['a', 'b']))
  t.strictSame(await closed.sent(), ['GOAWAY 1 STREAM_CLOSED'], 'whose number cannot be used again')
})

t.test('a reset by the peer: lost, unprocessed when it says so', async (t) => {
  const side = await ready(client())
  const [one, two] = [side.open(), side.open()]
  side.feed(reset(1, 'REFUSED_STREAM'), reset(3, 'INTERNAL_ERROR'), reset(3))
  t.strictSame(one.events, ['lost unprocessed: the peer reset the stream with error 7'])
  t.strictSame(two.events, ['lost: the peer reset the stream with error 2'])
  t.equal(one.stream.data(Buffer.alloc(5)), true, 'what is written then goes nowhere')
  one.stream.end([])
  one.stream.reset(8)
  await side.sent()
  t.strictSame(await side.sent(), [])
})

t.test('frames and settings that nobody knows are ignored', async (t) => {
  const side = await ready(server())
  side.feed(frame(0x10, 255, 0, Buffer.from('u=1')), frame(0xf0, 0, 5), settings([77, 1]), get(1))
  t.strictSame(side.told(), ['opened 1 / ended'])
  t.strictSame(await side.sent(), ['SETTINGS ACK'])
})

t.test('client: who resets much opens nothing more before the next sweep', async (t) => {
  const side = await ready(client())
  let offered = 0
  side.onRoom = () => {
    if (side.connection.room > 0) offered += 1
  }
  for (let count = 0; count < 250; count += 1) side.open().stream.reset(8)
  t.equal(side.connection.room, 0)
  offered = 0
  side.wait(1000)
  t.ok(side.connection.room > 0)
  t.equal(offered, 1, 'and says so')
})

t.test('who reads in pieces and gives the windows back in such is no flood', async (t) => {
  const side = await ready(server())
  side.feed(get(1))
  for (let count = 0; count < 2000; count += 1) {
    side.stream(1).data(Buffer.alloc(16_375))
    for (let piece = 0; piece < 4; piece += 1) side.feed(windowUpdate(1, 4096), windowUpdate(0, 4096))
    await nextTurn()
  }
  t.strictSame(side.told(), ['opened 1 / ended'])
})

t.test('what a peer says in GOAWAY, in either role, is heard and cut', async (t) => {
  for (const role of ['server', 'client'] as const) {
    const side = new Side(role, { settings: [] })
    side.feed(goaway(0, 'INADEQUATE_SECURITY', `why: ${'x'.repeat(1000)}`))
    t.same(
      side.events.filter((event) => event.startsWith('going away')),
      [`going away 12 why: ${'x'.repeat(512 - 5)}`],
      role,
    )
  }
})

t.test(
  'a connection that is cut with an ending: its streams end by that, and the peer hears the farewell',
  async (t) => {
    const ending = { code: 'identity-withdrawn', message: 'believed no longer' } as const
    for (const farewell of [undefined, 'outrider: revoked: since now']) {
      const side = await ready(server())
      side.feed(get(1))
      side.connection.destroy({ ...ending, farewell })
      t.equal(side.receivers.get(1)!.events.at(-1), 'lost identity-withdrawn: believed no longer')
      t.same(await side.sent(), farewell === undefined ? [] : ['GOAWAY 1 INADEQUATE_SECURITY'])
      t.equal(side.socket.destroyed, farewell === undefined)
      side.feed(get(3))
      t.notOk(side.receivers.has(3), 'nothing is looked at any more')
      side.clock.advance(3000)
      t.ok(side.socket.destroyed)
    }
  },
)
