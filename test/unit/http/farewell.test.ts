import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import t from 'tap'
import { sayFarewell } from '../../../src/http/farewell.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { FrameLog } from '../../fixtures/h2-frames.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const TEXT = 'outrider: expired: the leaf expired 3 h ago'

function said(role: Parameters<typeof sayFarewell>[1], clock = new TestClock()): Promise<Buffer> {
  const [ours, theirs] = duplexPair()
  const parts: Buffer[] = []
  theirs.on('data', (part: Buffer) => parts.push(part))
  theirs.once('end', () => theirs.end())
  sayFarewell(ours, role, 'expired', TEXT, clock)
  return once(ours, 'close').then(() => Buffer.concat(parts))
}

t.test('over HTTP/2: no stream, and why', async (t) => {
  for (const role of ['http2-server', 'http2-client'] as const) {
    const log = new FrameLog(role === 'http2-client' ? 'client' : 'server')
    log.push(await said(role))
    t.same(
      log.frames.map(({ type }) => type),
      ['SETTINGS', 'GOAWAY'],
    )
    t.same(log.frames[0]!.payload, Buffer.from('000300000000', 'hex'), 'MAX_CONCURRENT_STREAMS 0')
    t.same(log.frames[1]!.payload.subarray(0, 8), Buffer.from('000000000000000c', 'hex'), 'INADEQUATE_SECURITY')
    t.equal(log.frames[1]!.payload.toString('latin1', 8), TEXT)
  }
})

t.test('over HTTP/1.1: a 403 that is whole', async (t) => {
  const text = (await said('http1-server')).toString('latin1')
  t.match(text, /^HTTP\/1\.1 403 Forbidden\r\n[^]*content-length: 44\r\n[^]*connection: close\r\n\r\n/)
  t.equal(text.slice(-44), `${TEXT}\n`)
})

t.test('a peer that does not close, or goes on sending, is cut', async (t) => {
  const clock = new TestClock()
  const [silent] = duplexPair()
  sayFarewell(silent, 'http2-server', 'expired', TEXT, clock)
  clock.advance(999)
  t.equal(silent.destroyed, false)
  clock.advance(1)
  t.equal(silent.destroyed, true)
  await once(silent, 'close')
  t.equal(clock.pending, 0)

  const [ours, theirs] = duplexPair()
  theirs.on('error', () => {}).resume()
  sayFarewell(ours, 'http2-server', 'expired', TEXT, clock)
  theirs.write(Buffer.alloc(70_000))
  await once(ours, 'close')
  t.equal(clock.pending, 0)
  theirs.destroy()
})
