import t from 'tap'
import { canaryOf, type CanaryWords, describeEvent } from '../../../src/cli/canary.ts'
import type { CanaryEvent__Output } from '../../../src/wire/outrider/admin/v1/CanaryEvent.ts'

function words(given: Partial<CanaryWords>): CanaryWords {
  return { canary: undefined, watch: undefined, 'max-denials': undefined, 'allow-quiet': undefined, ...given }
}

t.test('what a canary is asked for', async (t) => {
  t.equal(canaryOf(words({})), undefined)
  const minute = { seconds: 60, nanos: 0 }
  t.strictSame(canaryOf(words({ canary: '10%' })), { percent: 10, watch: minute, allowQuiet: false })
  t.strictSame(canaryOf(words({ canary: '5', watch: '1m30s', 'max-denials': '0', 'allow-quiet': true })), {
    percent: 5,
    watch: { seconds: 90, nanos: 0 },
    maxDenials: 0,
    allowQuiet: true,
  })
  for (const canary of ['0', '100%', '-1', '10.5%', 'some', '']) {
    t.throws(() => canaryOf(words({ canary })), { code: 'usage-canary', message: /1% to 99%/ }, canary)
  }
  t.throws(() => canaryOf(words({ canary: '1', watch: '60' })), { code: 'usage-canary', message: /such as 60s/ })
  t.throws(() => canaryOf(words({ canary: '1', 'max-denials': 'few' })), { code: 'usage-canary', message: /number/ })
  t.throws(() => canaryOf(words({ 'allow-quiet': true })), { code: 'usage-canary', message: /--allow-quiet is for/ })
  t.throws(() => canaryOf(words({ watch: '1m' })), { code: 'usage-canary', message: /--watch is for --canary/ })
})

t.test('an event in words brings nothing that moves the cursor', async (t) => {
  const event: CanaryEvent__Output = {
    step: 'STEP_ROLLING_BACK',
    revision: 7,
    canaries: [],
    withoutCanary: [],
    health: [],
    reasons: [{ code: 'canary-nacked', message: 'bad\u001b[2J\nname' }],
    outcomes: [],
    unsettled: 0,
  }
  t.equal(describeEvent(event), 'taking it back:\n  bad?[2J?name (canary-nacked)\n')
  t.match(describeEvent({ ...event, step: 'STEP_ROLLED_BACK', unsettled: 2 }), /2 canaries have not acknowledged/)
  t.equal(describeEvent({ ...event, step: 'STEP_UNSPECIFIED' }), '')
})
