import t from 'tap'
import { parseTraceparent, pooledHex, type RandomHex, requestIdOf, traceHop } from '../../../src/telemetry/trace.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const given = `00-${traceId}-${spanId}-01`

/** 01, 02, 03 ... so that no two ids are equal. */
function counting(): RandomHex {
  let next = 0
  return (size) => Buffer.from(Array.from({ length: size }, () => ++next % 256)).toString('hex')
}

t.test('reads what the standard allows', async (t) => {
  t.same(parseTraceparent(given), { traceId, spanId, sampled: true })
  t.equal(parseTraceparent(`00-${traceId}-${spanId}-00`)?.sampled, false)
  t.equal(parseTraceparent(`00-${traceId}-${spanId}-03`)?.sampled, true, 'other flags do not matter')
  t.same(parseTraceparent(`01-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true }, 'a later version')
  t.same(parseTraceparent(`cc-${traceId}-${spanId}-01-what-comes-later`), { traceId, spanId, sampled: true })
})

t.test('ignores what breaks it', async (t) => {
  const wrong = [
    '',
    `${given}-more`,
    `${given}0`,
    ` ${given}`,
    `${given}\n`,
    `ff-${traceId}-${spanId}-01`,
    `01-${traceId}-${spanId}-01x`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.slice(1)}-${spanId}-01`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId}-${spanId}-0g`,
    `00_${traceId}-${spanId}-01`,
    `${given}, ${given}`,
  ]
  for (const text of wrong) t.equal(parseTraceparent(text), undefined, JSON.stringify(text))
})

t.test('a hop continues the trace under its own span', async (t) => {
  const hop = traceHop(given, counting(), false)
  t.same(hop, { traceId, spanId: '0102030405060708', header: `00-${traceId}-0102030405060708-01`, continued: true })
  t.match(traceHop(`00-${traceId}-${spanId}-00`, counting(), true).header, /-00$/, 'the decision of the caller stands')
})

t.test('a hop begins a trace where there is none', async (t) => {
  const hop = traceHop('', counting(), false)
  t.equal(hop.continued, false)
  t.same(parseTraceparent(hop.header), { traceId: hop.traceId, spanId: hop.spanId, sampled: false })
  t.match(traceHop('garbage', counting(), true), { continued: false, header: /-01$/ })
})

t.test('an id is never all zero', async (t) => {
  let calls = 0
  const hop = traceHop('', (size) => (calls++ === 0 ? '00' : '01').repeat(size), false)
  t.equal(hop.traceId, '01'.repeat(16))
})

t.test('request ids: kept when harmless, else replaced', async (t) => {
  for (const id of ['a', 'A-b_c.9', 'x'.repeat(128)]) t.equal(requestIdOf(id, counting()), id)
  for (const id of ['', 'x'.repeat(129), 'a b', 'a\n', 'é', '"', '<script>', 'a,b']) {
    t.match(requestIdOf(id, counting()), /^[0-9a-f]{32}$/, JSON.stringify(id))
  }
})

t.test('the pool never hands out the same digits twice', async (t) => {
  let fills = 0
  const random = pooledHex((bytes) => {
    fills += 1
    for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeUInt32BE(fills * 100_000 + at, at)
  })
  const seen = new Set<string>()
  for (let count = 0; count < 2000; count += 1) seen.add(random(16))
  t.equal(seen.size, 2000)
  t.ok(fills > 5)
  t.match(random(16), /^[0-9a-f]{32}$/)
})
