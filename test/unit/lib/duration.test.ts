import t from 'tap'
import { parseDuration } from '../../../src/lib/duration.ts'

t.test('reads units and sequences', async (t) => {
  const cases: readonly [string, number][] = [
    ['0s', 0],
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
    '0',
    '250',
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
