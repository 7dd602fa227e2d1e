import t from 'tap'
import { BundlePoller, checkNotOlder, refreshAfter } from '../../../../src/control/federation/poll.ts'
import { type BundleDocument, parseBundleDocument } from '../../../../src/identity/bundle-document.ts'
import { parseTrustDomain } from '../../../../src/identity/spiffe-id.ts'
import { describeError } from '../../../../src/lib/errors.ts'
import { documentOf } from '../../../fixtures/bundle-endpoint.ts'
import { makeTestCa } from '../../../fixtures/ca.ts'
import { TestClock } from '../../../fixtures/clock.ts'

const ca = makeTestCa('partner.test')
const text = documentOf([ca], 3)
const parsed = parseBundleDocument(Buffer.from(text), 'partner.test')

function numbered(sequence: number, sequenced = true): BundleDocument {
  return { ...parsed, sequenced, bundle: { ...parsed.bundle, sequence } }
}

t.test('a refresh hint is kept to within bounds, and never by all at one moment', async (t) => {
  const after = (refreshHintMs: number | undefined, random: number): number =>
    refreshAfter({ ...parsed, refreshHintMs }, () => random)
  t.equal(after(undefined, 0.5), 300_000)
  t.equal(after(1, 0.5), 60_000)
  t.equal(after(Number.MAX_SAFE_INTEGER, 0.5), 86_400_000)
  t.equal(after(600_000, 0), 540_000)
  t.equal(after(600_000, 1), 660_000)
})

t.test('a sequence never falls, nor goes missing', async (t) => {
  const refused = { code: 'bundle-older' }
  t.doesNotThrow(() => checkNotOlder(numbered(1), undefined))
  t.doesNotThrow(() => checkNotOlder(numbered(2), numbered(2)))
  t.doesNotThrow(() => checkNotOlder(numbered(3), numbered(2)))
  t.throws(() => checkNotOlder(numbered(1), numbered(2)), refused)
  t.throws(() => checkNotOlder(numbered(0, false), numbered(2)), refused)
  t.doesNotThrow(() => checkNotOlder(numbered(0, false), numbered(0, false)))
  t.doesNotThrow(() => checkNotOlder(numbered(1), numbered(0, false)))
})

t.test('a bundle that cannot be taken over is a failed poll, and is asked for again once', async (t) => {
  const clock = new TestClock()
  const said: string[] = []
  const poller = new BundlePoller(
    {
      trustDomain: parseTrustDomain('partner.test'),
      fetch: async () => Buffer.from(text),
      present: () => undefined,
      clock,
      random: () => 0.5,
    },
    {
      fetched: () => {
        throw new Error('no room')
      },
      failed: (error, nextInMs) => void said.push(`${describeError(error)}, next in ${nextInMs}`),
    },
  )
  clock.advance(0)
  await new Promise(setImmediate)
  t.same(said, ['no room, next in 5000'])
  t.equal(clock.pending, 1)
  clock.advance(5_000)
  await new Promise(setImmediate)
  t.same(said[1], 'no room, next in 10000', 'later each time, although the endpoint answers')
  poller.close()
})

t.test('a poller that is closed says nothing more', async (t) => {
  const clock = new TestClock()
  const answers: ((body: Buffer) => void)[] = []
  const signals: AbortSignal[] = []
  const said: string[] = []
  const poller = new BundlePoller(
    {
      trustDomain: parseTrustDomain('partner.test'),
      fetch: (signal) =>
        new Promise((resolve) => {
          signals.push(signal)
          answers.push(resolve)
        }),
      present: () => undefined,
      clock,
      random: () => 0.5,
    },
    {
      fetched: ({ bundle }, nextInMs) => void said.push(`fetched ${bundle.sequence}, next in ${nextInMs}`),
      failed: (_, nextInMs) => void said.push(`failed, next in ${nextInMs}`),
    },
  )
  t.equal(answers.length, 0, 'not in the constructor')
  clock.advance(0)
  answers[0]!(Buffer.from(text))
  await new Promise(setImmediate)
  t.same(said, ['fetched 3, next in 300000'])
  clock.advance(300_000)
  answers[1]!(Buffer.from('nothing'))
  await new Promise(setImmediate)
  t.equal(said[1], 'failed, next in 5000')
  clock.advance(5_000)
  poller.close()
  t.ok(signals[2]!.aborted)
  answers[2]!(Buffer.from(text))
  await new Promise(setImmediate)
  t.equal(said.length, 2)
  t.equal(clock.pending, 0)
})
