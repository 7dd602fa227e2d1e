import t from 'tap'
import { farewellText, MAX_FAREWELL, readFarewell } from '../../../src/mtls/farewell.ts'

const NOW = Date.UTC(2026, 0, 1)

t.test('what one side says the other reads', async (t) => {
  const text = farewellText({ code: 'expired', message: 'the leaf expired 3 h ago' }, NOW)
  t.equal(text, 'outrider: expired: the leaf expired 3 h ago; clock 2026-01-01T00:00:00.000Z')
  t.strictSame(readFarewell(text, NOW), { code: 'expired', message: 'the leaf expired 3 h ago', skew: undefined })
  t.equal(readFarewell(text, NOW + 20_000)?.skew, undefined, 'so much is tolerated')
  t.equal(readFarewell(text, NOW + 20_001)?.skew, "our clock is 20 s ahead of the peer's, or the peer's so much behind")
  t.equal(readFarewell(text, NOW - 7_200_000)?.skew, "our clock is 2 h behind the peer's, or the peer's so much ahead")
})

t.test('it is one bounded line of ASCII, and keeps its clock', async (t) => {
  const text = farewellText({ code: 'leaf-no-uri', message: `\r\n\u001b[2J“${'x'.repeat(5000)}` }, NOW)
  t.match(text, /^[ -~]+$/)
  t.equal(text.length, MAX_FAREWELL)
  t.match(readFarewell(text, NOW + 60_000), { code: 'leaf-no-uri', skew: /1 min ahead/ })
})

t.test('what is none of ours', async (t) => {
  for (const text of [
    '',
    'graceful shutdown',
    'outrider: Expired: x',
    'outrider: expired',
    `outrider: ${'x'.repeat(65)}: y`,
    'outrider: expired: a\nb',
    'outrider: expired: \u00e9',
    `outrider: expired: ${'x'.repeat(MAX_FAREWELL)}`,
  ])
    t.equal(readFarewell(text, NOW), undefined, JSON.stringify(text.slice(0, 40)))
  t.match(readFarewell('outrider: expired: without a clock', NOW), { message: 'without a clock', skew: undefined })
  t.match(readFarewell('outrider: expired: x; clock 9999-99-99T99:99:99Z', NOW), { code: 'expired', skew: undefined })
})
