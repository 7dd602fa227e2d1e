// The frame reader cut at every byte, and the frame writer: what leaves in one write, and that nothing written changes later.
import t from 'tap'
import { nextTurn, WireSocket } from '../../fixtures/http.ts'
import {
  data,
  END_STREAM,
  FrameLog,
  frame,
  get,
  goaway,
  PADDED,
  ping,
  prefaceBytes,
  settings,
} from '../../fixtures/h2-frames.ts'
import { FrameReader, type FrameSink } from '../../../src/http/h2/frame-reader.ts'
import { CONTENT_BYTES, FrameWriter } from '../../../src/http/h2/frame-writer.ts'
import type { H2FaultCode } from '../../../src/http/h2/fault.ts'
import { FLUSH_BYTES } from '../../../src/http/outbox.ts'

/** What a reader told, as text. */
class Sink implements FrameSink {
  readonly events: string[] = []
  fault: H2FaultCode | undefined
  #content = ''

  frame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): undefined {
    this.events.push(`frame ${type} ${flags} ${streamId} ${bytes.toString('latin1', start, end)}`)
  }

  dataBegins(flags: number, streamId: number, length: number): H2FaultCode | undefined {
    this.events.push(`data ${flags} ${streamId} ${length}`)
    return this.fault
  }

  dataSlice(slice: Buffer): void {
    if (slice.length === 0) throw new Error('a slice of nothing')
    this.#content += slice.toString('latin1')
  }

  dataEnds(): void {
    this.events.push(`content ${this.#content}`)
    this.#content = ''
  }
}

const padded = (content: string, padding: number, flags = PADDED): Buffer =>
  data(1, Buffer.concat([Buffer.of(padding), Buffer.from(content), Buffer.alloc(padding, '#')]), flags)

const stream = Buffer.concat([
  prefaceBytes,
  settings([4, 1000]),
  get(1),
  data(1, 'hello'),
  data(1, ''),
  padded('padded', 7),
  padded('', 3),
  padded('', 0),
  padded('x', 0),
  frame(99, 255, 0x7fff_ffff, Buffer.from('unknown')),
  ping(),
  frame('PRIORITY', 0, 3, Buffer.alloc(5)),
  data(1, 'end', END_STREAM),
  goaway(0),
])

const expected = [
  `frame 4 0 0 \0\x04\0\0\x03\xe8`,
  `frame 1 5 1 ${get(1).toString('latin1', 9)}`,
  'data 0 1 5',
  'content hello',
  'data 0 1 0',
  'content ',
  'data 8 1 14',
  'content padded',
  'data 8 1 4',
  'content ',
  'data 8 1 1',
  'content ',
  'data 8 1 2',
  'content x',
  'frame 99 255 2147483647 unknown',
  'frame 6 0 0 pingpong',
  'frame 2 0 3 \0\0\0\0\0',
  'data 1 1 3',
  'content end',
  'frame 7 0 0 \0\0\0\0\0\0\0\0',
]

t.test('frames, cut at every byte', (t) => {
  for (let at = 0; at <= stream.length; at += 1) {
    const sink = new Sink()
    const reader = new FrameReader(sink, true)
    const slices = at === 0 ? [...stream].map((byte) => Buffer.of(byte)) : [stream.subarray(0, at), stream.subarray(at)]
    for (const slice of slices) {
      const fault = reader.feed(slice)
      if (fault !== undefined) t.fail(`cut at ${at}: ${fault}`)
    }
    if (sink.events.join('|') !== expected.join('|')) t.strictSame(sink.events, expected, `cut at ${at}`)
    if (reader.pending) t.fail(`cut at ${at}: something is left`)
  }
  t.pass(`${stream.length} cuts`)
  t.end()
})

t.test('pending: the beginning of anything but content', (t) => {
  const reader = new FrameReader(new Sink(), true)
  t.equal(reader.pending, true, 'the preface')
  reader.feed(prefaceBytes)
  t.equal(reader.pending, false)
  const frames = Buffer.concat([ping(), data(1, 'abc')])
  for (let at = 0; at < frames.length; at += 1) {
    const expects = at > 0 && at !== 17 && at < 17 + 9
    if (reader.pending !== expects) t.fail(`before byte ${at}`)
    reader.feed(frames.subarray(at, at + 1))
  }
  t.equal(reader.pending, false)
  t.end()
})

t.test('faults, however they come', (t) => {
  const cases: readonly [name: string, bytes: Buffer, fault: H2FaultCode | undefined][] = [
    ['an HTTP/1 request', Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n'), 'h2-preface'],
    ['a preface with another last byte', Buffer.concat([prefaceBytes.subarray(0, 23), Buffer.of(0)]), 'h2-preface'],
    [
      'a frame of 16385 bytes',
      Buffer.concat([prefaceBytes, frame('PING', 0, 0, Buffer.alloc(0), 16_385)]),
      'h2-frame-size',
    ],
    [
      'DATA of 16385 bytes',
      Buffer.concat([prefaceBytes, frame('DATA', 0, 1, Buffer.alloc(0), 16_385)]),
      'h2-frame-size',
    ],
    [
      'the largest length',
      Buffer.concat([prefaceBytes, frame('HEADERS', 4, 1, Buffer.alloc(0), 0xff_ffff)]),
      'h2-frame-size',
    ],
    ['padded, without a length of the padding', Buffer.concat([prefaceBytes, data(1, '', PADDED)]), 'h2-frame-size'],
    ['more padding than payload', Buffer.concat([prefaceBytes, data(1, '\x03ab', PADDED)]), 'h2-padding'],
    ['as much padding as payload', Buffer.concat([prefaceBytes, data(1, '\x03abc', PADDED)]), undefined],
  ]
  for (const [name, bytes, fault] of cases) {
    for (const size of [1, 10, bytes.length]) {
      const reader = new FrameReader(new Sink(), true)
      let found: H2FaultCode | undefined
      for (let at = 0; at < bytes.length && found === undefined; at += size)
        found = reader.feed(bytes.subarray(at, at + size))
      t.equal(found, fault, `${name}, ${size} at once`)
    }
  }
  const sink = new Sink()
  sink.fault = 'h2-window-exceeded'
  t.equal(new FrameReader(sink, false).feed(data(1, 'abc')), 'h2-window-exceeded', "the sink's")
  t.end()
})

t.test('stopped in the middle: nothing more is told', (t) => {
  const sink = new Sink()
  const reader = new FrameReader(sink, false)
  sink.frame = () => {
    sink.events.push('frame')
    reader.stopped = true
  }
  reader.feed(Buffer.concat([ping(), ping(), data(1, 'abc')]))
  reader.feed(ping())
  t.strictSame(sink.events, ['frame'])
  t.end()
})

/** What a writer's socket got, as the texts of its frames; `writes` of how many bytes. */
function written(socket: WireSocket): { texts: string[]; writes: number[]; content: string } {
  const log = new FrameLog('server')
  for (const bytes of socket.written) log.push(bytes)
  const content = log.frames
    .filter(({ type }) => type === 'DATA')
    .map(({ payload }) => payload.toString('latin1'))
    .join('')
  return { texts: log.frames.map(({ text }) => text), writes: socket.written.map(({ length }) => length), content }
}

/** Writes a block of `bytes` octets that is one literal field. */
function writeBlock(writer: FrameWriter, streamId: number, bytes: number, flags = 0): void {
  const out = writer.beginHeaders(bytes)
  const at = writer.blockStart
  // A literal without indexing, name `a`: 5 octets and a length of 3 before the value.
  const length = bytes - 7
  out.set(
    [0, 1, 0x61, 127, ((length - 127) & 127) | 128, (((length - 127) >> 7) & 127) | 128, (length - 127) >> 14],
    at,
  )
  out.fill('v', at + 7, at + bytes)
  writer.headers(streamId, at + bytes, flags)
}

t.test('one write for everything of one turn', async (t) => {
  const socket = new WireSocket()
  const writer = new FrameWriter(socket)
  writer.settings([[4, 65_536]])
  writer.settingsAck()
  writer.ping(true, Buffer.from('..pingpong'), 2)
  for (let stream = 1; stream < 20; stream += 2) {
    writer.data(stream, Buffer.from('small'))
    writer.endStream(stream)
  }
  writer.windowUpdate(0, 7)
  writer.reset(21, 8)
  writer.goaway(19, 0)
  t.equal(socket.written.length, 0, 'not before the turn ends')
  await nextTurn()
  const { texts, writes } = written(socket)
  t.equal(writes.length, 1)
  t.strictSame(texts, [
    'SETTINGS',
    'SETTINGS ACK',
    'PING ACK',
    ...Array.from({ length: 10 }, (_, index) => `DATA ${2 * index + 1} 5 END_STREAM`),
    'WINDOW_UPDATE 0 7',
    'RST_STREAM 21 CANCEL',
    'GOAWAY 19 NO_ERROR',
  ])
  await nextTurn()
  t.equal(socket.written.length, 1, 'and nothing of it twice')
})

t.test('END_STREAM goes on the last frame of the stream when it is still here', async (t) => {
  const large = Buffer.alloc(CONTENT_BYTES, 'L')
  for (const [name, write, texts] of [
    ['small content', (w: FrameWriter) => w.data(1, Buffer.from('ab')), ['DATA 1 2 END_STREAM']],
    ['large content', (w: FrameWriter) => w.data(1, large), [`DATA 1 ${CONTENT_BYTES} END_STREAM`]],
    ['a head', (w: FrameWriter) => writeBlock(w, 1, 200), [`HEADERS 1 END_STREAM a=${'v'.repeat(193)}`]],
    [
      'a long head',
      (w: FrameWriter) => writeBlock(w, 1, 40_000),
      [`HEADERS 1 END_STREAM in 3 a=${'v'.repeat(39_993)}`],
    ],
    [
      'content, and control frames behind it',
      (w: FrameWriter) => {
        w.data(1, Buffer.from('ab'))
        w.settingsAck()
        w.windowUpdate(1, 5)
      },
      ['DATA 1 2 END_STREAM', 'SETTINGS ACK', 'WINDOW_UPDATE 1 5'],
    ],
    [
      'content of another stream behind it',
      (w: FrameWriter) => {
        w.data(1, Buffer.from('ab'))
        w.data(3, Buffer.from('cd'))
      },
      ['DATA 1 2', 'DATA 3 2', 'DATA 1 0 END_STREAM'],
    ],
    [
      'content that was written',
      (w: FrameWriter) => {
        w.data(1, Buffer.from('ab'))
        w.flush()
      },
      ['DATA 1 2', 'DATA 1 0 END_STREAM'],
    ],
    [
      'content that filled the write',
      (w: FrameWriter) => {
        for (let count = 0; count < FLUSH_BYTES / 16_384; count += 1) w.data(1, large)
      },
      [...Array.from({ length: 4 }, () => `DATA 1 ${CONTENT_BYTES}`), 'DATA 1 0 END_STREAM'],
    ],
  ] as const) {
    const socket = new WireSocket()
    const writer = new FrameWriter(socket)
    write(writer)
    writer.endStream(1)
    writer.endStream(5)
    await nextTurn()
    t.strictSame(written(socket).texts, [...texts, 'DATA 5 0 END_STREAM'], name)
  }
})

t.test('a block of every size around a frame arrives whole, in as few frames as it takes', async (t) => {
  for (const bytes of [200, 16_383, 16_384, 16_385, 32_768, 32_769, 61_440]) {
    const socket = new WireSocket()
    const writer = new FrameWriter(socket)
    writer.data(3, Buffer.from('before'))
    writeBlock(writer, 1, bytes)
    writeBlock(writer, 5, bytes, END_STREAM)
    writer.data(3, Buffer.from('behind'))
    await nextTurn()
    const count = Math.ceil(bytes / 16_384)
    const fields = `${count === 1 ? '' : `in ${count} `}a=${'v'.repeat(bytes - 7)}`
    t.strictSame(written(socket).texts, [
      'DATA 3 6',
      `HEADERS 1 ${fields}`,
      `HEADERS 5 END_STREAM ${fields}`,
      'DATA 3 6',
    ])
  }
})

t.test('what was written stays as it is, whatever is written later, by whomever', async (t) => {
  const sockets = Array.from({ length: 8 }, () => new WireSocket('slow'))
  const writers = sockets.map((socket) => new FrameWriter(socket))
  const sent = sockets.map(() => '')
  const sizes = [0, 1, 30, 2047, 2048, 2049, 4000, 5000, CONTENT_BYTES]
  let next = 1
  for (let turn = 0; turn < 120; turn += 1) {
    for (const [index, writer] of writers.entries()) {
      for (let count = (turn + index) % 5; count >= 0; count -= 1) {
        next = (next * 48_271) % 0x7fff_ffff
        const text = String.fromCharCode(97 + (next % 26)).repeat(sizes[next % sizes.length]!)
        writer.data(1, Buffer.from(text))
        sent[index] += text
        if (next % 7 === 0) writer.windowUpdate(1, next)
        if (next % 11 === 0) writeBlock(writer, 1, 200 + (next % 20_000))
      }
    }
    await nextTurn()
    for (const socket of sockets) socket.accept()
  }
  for (const [index, socket] of sockets.entries()) t.ok(written(socket).content === sent[index], `writer ${index}`)
})

t.test('full, and how much waits', async (t) => {
  const socket = new WireSocket('slow')
  const writer = new FrameWriter(socket)
  writer.data(1, Buffer.alloc(10_000))
  t.equal(writer.full, false)
  t.equal(writer.queuedBytes, 10_009)
  while (!writer.full) {
    writer.data(1, Buffer.alloc(CONTENT_BYTES))
    await nextTurn()
  }
  t.equal(writer.queuedBytes, socket.writableLength)
  t.ok(writer.queuedBytes <= socket.writableHighWaterMark + FLUSH_BYTES)
})
