import { assert, nat, property } from 'fast-check'
import t from 'tap'
import { formatDuration, parseDuration } from '../../../src/config/duration.ts'

t.test('reads units, sequences and plain milliseconds', async (t) => {
  const cases: readonly [string, number][] = [
    ['0', 0],
    ['250', 250],
    ['250ms', 250],
    ['10s', 10_000],
    ['5m', 300_000],
    ['4m30s', 270_000],
    ['24h', 86_400_000],
    ['90d', 7_776_000_000],
    ['1h0m1ms', 3_600_001],
  ]
  for (const [text, ms] of cases) t.equal(parseDuration(text), ms, text)
})

t.test('refuses everything else', async (t) => {
  for (const text of [
    '',
    ' ',
    '-1s',
    '1.5s',
    '10 s',
    '10S',
    '1w',
    's',
    '10s ',
    '1e3',
    '0x10',
    '1234567890123456',
    '٣s',
  ]) {
    t.equal(parseDuration(text), undefined, JSON.stringify(text))
  }
})

t.test('what is written reads back the same', async () => {
  assert(property(nat({ max: 10 ** 12 }), (ms) => parseDuration(formatDuration(ms)) === ms))
})

t.test('writes the shortest sensible text', async (t) => {
  t.equal(formatDuration(270_000), '4m30s')
  t.equal(formatDuration(86_400_000), '24h')
  t.equal(formatDuration(7_776_000_000), '90d')
  t.equal(formatDuration(0), '0')
})
