import t from 'tap'
import {
  AccessLog,
  type AccessLogMode,
  type AccessLogSink,
  type AccessRecord,
} from '../../../src/telemetry/access-log.ts'
import { TestClock } from '../../fixtures/clock.ts'

const record: AccessRecord = {
  timeMs: Date.UTC(2026, 0, 1, 12, 0, 0, 7),
  reporter: 'inbound',
  requestId: 'r1',
  traceId: 't1',
  source: { kind: 'peer', id: 'spiffe://td/ns/a/sa/b' },
  destination: 'default/app',
  method: 'GET',
  path: '/x',
  authority: 'app',
  protocol: 'HTTP/1.1',
  status: 200,
  bytesReceived: 1,
  bytesSent: 2,
  durationMs: 1.23456,
}
const denied: AccessRecord = { ...record, status: 403, code: 'denied-by-rule' }

/** Keeps what it gets and answers when the test says so. */
class HeldSink implements AccessLogSink {
  readonly writes: string[] = []
  closed = false
  #done: ((error?: Error) => void) | undefined

  write(lines: string, done: (error?: Error) => void): void {
    if (this.#done !== undefined) throw new Error('two writes at once')
    this.writes.push(lines)
    this.#done = done
  }

  finish(error?: Error): void {
    const done = this.#done
    this.#done = undefined
    done?.(error)
  }

  close(): void {
    this.closed = true
  }

  get objects(): Record<string, unknown>[] {
    return this.writes.flatMap((text) => text.trimEnd().split('\n')).map((line) => JSON.parse(line))
  }
}

function setUp(mode: AccessLogMode = 'all') {
  const sink = new HeldSink()
  let lost = 0
  const dropped = { inc: (by: number = 1) => void (lost += by) }
  const log = new AccessLog(sink, { mode, clock: new TestClock(), dropped })
  return { sink, log, lost: () => lost }
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

t.test('the fields of a line', async (t) => {
  const { sink, log } = setUp()
  log.write({
    ...record,
    code: 'denied-by-rule',
    rule: 'default/p/r',
    nearest: { rule: 'default/q/s', failed: 'to.paths' },
    rateLimit: 'default/l/per-caller',
    upstream: '127.0.0.1:8080',
  })
  log.write({ ...record, timeMs: record.timeMs + 93, source: { kind: 'anonymous', why: 'no-client-certificate' } })
  await turn()
  t.same(sink.objects, [
    {
      time: '2026-01-01T12:00:00.007Z',
      reporter: 'inbound',
      request_id: 'r1',
      trace_id: 't1',
      source: 'spiffe://td/ns/a/sa/b',
      destination: 'default/app',
      method: 'GET',
      path: '/x',
      authority: 'app',
      protocol: 'HTTP/1.1',
      status: 200,
      code: 'denied-by-rule',
      rule: 'default/p/r',
      nearest_rule: 'default/q/s',
      failed: 'to.paths',
      rate_limit: 'default/l/per-caller',
      bytes_received: 1,
      bytes_sent: 2,
      duration_ms: 1.235,
      upstream: '127.0.0.1:8080',
    },
    {
      time: '2026-01-01T12:00:00.100Z',
      reporter: 'inbound',
      request_id: 'r1',
      trace_id: 't1',
      source: 'anonymous',
      anonymous_because: 'no-client-certificate',
      destination: 'default/app',
      method: 'GET',
      path: '/x',
      authority: 'app',
      protocol: 'HTTP/1.1',
      status: 200,
      bytes_received: 1,
      bytes_sent: 2,
      duration_ms: 1.235,
    },
  ])
})

t.test('no character can forge a line or reach a terminal', async (t) => {
  let text = ''
  const sink: AccessLogSink = {
    write(lines, done) {
      text += lines
      done()
    },
    close() {},
  }
  const log = new AccessLog(sink, { mode: 'all', clock: new TestClock(), dropped: { inc() {} } })
  const codes = [...Array(0x2101).keys(), 0x2028, 0x2029, 0xd800, 0xdfff, 0xfeff]
  for (const code of codes) log.write({ ...record, path: `/${String.fromCharCode(code)}` })
  const forged = '/","status":200}\n{"time":"'
  log.write({ ...record, path: forged, method: forged, authority: forged, requestId: forged })
  log.write({ ...record, source: { kind: 'peer', id: forged }, destination: forged, traceId: forged, code: forged })
  await log.close()
  t.notMatch(text.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
  const objects = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.equal(objects.length, codes.length + 2)
  const changed = codes.filter((code, index) => objects[index].path !== `/${String.fromCharCode(code)}`)
  t.same(changed, [], 'what is escaped reads back')
  t.match(objects.at(-2), { path: forged, method: forged, authority: forged, request_id: forged, status: 200 })
  t.match(objects.at(-1), { source: forged, destination: forged, trace_id: forged, code: forged })
})

t.test('modes: denials are written in all but off', async (t) => {
  const counts: Readonly<Record<AccessLogMode, number>> = { all: 2, denials: 1, off: 0 }
  for (const mode of ['all', 'denials', 'off'] as const) {
    const { sink, log } = setUp(mode)
    log.write(record)
    log.write(denied)
    await turn()
    t.equal(sink.writes.length === 0 ? 0 : sink.objects.length, counts[mode], mode)
    t.equal(log.wants(true), counts[mode] > 0)
    t.equal(log.wants(false), counts[mode] > 1)
  }
})

t.test('one write per turn, and none while one is in flight', async (t) => {
  const { sink, log } = setUp()
  log.write(record)
  log.write(record)
  t.equal(sink.writes.length, 0, 'not in the middle of a turn')
  await turn()
  t.equal(sink.writes.length, 1)
  log.write(record)
  await turn()
  t.equal(sink.writes.length, 1, 'the sink is busy')
  sink.finish()
  t.equal(sink.writes.length, 2)
  t.equal(sink.objects.length, 3)
})

t.test('a slow sink costs lines, not memory; the loss is told', async (t) => {
  const { sink, log, lost } = setUp()
  log.write(record)
  await turn()
  const path = `/${'x'.repeat(1000)}`
  for (let count = 0; count < 3000; count += 1) log.write({ ...denied, path })
  t.ok(lost() > 1500 && lost() < 2500, `${lost()} lines dropped`)
  sink.finish()
  t.ok(sink.writes[1]!.length < 1_100_000)
  t.match(JSON.parse(sink.writes[1]!.split('\n')[0]!), { dropped: lost() })
  t.equal(sink.objects.length - 2 + lost(), 3000, 'every line was written or counted')
  sink.finish()
  log.write(record)
  await turn()
  t.notMatch(sink.writes[2], /dropped/, 'told once')
})

t.test('a broken sink counts what it lost and is tried again', async (t) => {
  const { sink, log, lost } = setUp()
  log.write(record)
  log.write(record)
  await turn()
  sink.finish(new Error('ENOSPC'))
  t.equal(lost(), 2)
  log.write(record)
  await turn()
  t.match(sink.writes[1], /"dropped":2}\n\{/)
})

t.test('close writes what waits, then closes the sink', async (t) => {
  const { sink, log } = setUp()
  log.write(record)
  await turn()
  log.write(record)
  const closed = log.close()
  log.write(record)
  t.notOk(sink.closed)
  sink.finish()
  sink.finish()
  await closed
  t.equal(sink.objects.length, 2, 'nothing is taken after close')
  t.ok(sink.closed)
})

t.test('destroy ends a close that waits for a stuck sink', async (t) => {
  const { sink, log } = setUp()
  log.write(record)
  await turn()
  const closed = log.close()
  log.destroy()
  await closed
  t.ok(sink.closed)
})
