import t from 'tap'
import { IssueRates, networkOf } from '../../../../src/control/identity/limits.ts'
import { TestClock } from '../../../fixtures/clock.ts'

const limits = { attestPerSecond: 1, attestBurst: 2, signPerSecond: 10 }

function allowed(take: () => void): number {
  for (let count = 0; ; count += 1) {
    try {
      take()
    } catch {
      return count
    }
    if (count > 10_000) return count
  }
}

t.test('each source has its own rate, and the error names the limit', async (t) => {
  const clock = new TestClock()
  const rates = new IssueRates(limits, clock)
  t.equal(
    allowed(() => rates.attestation('10.0.0.1')),
    2,
  )
  t.throws(() => rates.attestation('10.0.0.1'), {
    code: 'attestation-rate',
    retryable: true,
    message: 'too many requests (attestation: 1 per second): try again in 1 s',
  })
  rates.attestation('10.0.0.2')
  clock.advance(1000)
  rates.attestation('10.0.0.1')
})

t.test('newcomers never use up what renewals need', async (t) => {
  const clock = new TestClock()
  const rates = new IssueRates(limits, clock)
  t.equal(
    allowed(() => rates.signing(true)),
    5,
    'half of it',
  )
  t.equal(
    allowed(() => rates.signing(false)),
    5,
    'the other half is for those who are here',
  )
  t.throws(() => rates.signing(false), { code: 'signing-rate', message: /signing: 10 per second/ })
  clock.advance(100)
  t.throws(() => rates.signing(true), { code: 'signing-rate', message: /first-certificates: 5 per second/ })
  rates.signing(false)
})

t.test('who has one IPv6 address has all of its network', async (t) => {
  t.equal(networkOf('2001:db8:1:2:3:4:5:6'), networkOf('2001:db8:1:2::1'))
  t.equal(networkOf('2001:db8:1:2::1'), '2001:db8:1:2::/64')
  t.not(networkOf('2001:db8:1:2::1'), networkOf('2001:db8:1:3::1'))
  t.equal(networkOf('::1'), '0:0:0:0::/64')
  t.equal(networkOf('2001:db8::'), '2001:db8:0:0::/64')
  for (const other of ['10.0.0.1', '::ffff:10.0.0.1', 'unix:1000', 'unknown']) t.equal(networkOf(other), other)
})
