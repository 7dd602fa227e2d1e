import t from 'tap'
import type { AuthorizationPolicy, AuthorizationRule } from '../../../src/policy/model.ts'
import { isTimed, nextChangeMs, noSchedule, scheduleOf } from '../../../src/policy/schedule.ts'
import { policyOf } from './reference.ts'

function timed(
  spec: Partial<AuthorizationPolicy['spec']>,
  rules: readonly AuthorizationRule[] = [],
): AuthorizationPolicy {
  const policy = policyOf('ALLOW', rules)
  return { ...policy, spec: { ...policy.spec, ...spec } }
}

const noon: AuthorizationRule = { when: [{ time: { fromMinute: 720, toMinute: 780, zone: 'UTC' } }] }

t.test('the time has a part in windows, times of the week and expressions that name it', async (t) => {
  const cases: readonly [AuthorizationPolicy, boolean][] = [
    [timed({}), false],
    [timed({}, [{ when: [{ cel: 'request.method == "GET"' }] }]), false],
    [timed({ notBeforeMs: 5 }), true],
    [timed({ notAfterMs: 5 }), true],
    [timed({}, [{}, noon]), true],
    [timed({}, [{ when: [{ cel: 'now.getHours("UTC") < 12' }] }]), true],
  ]
  for (const [policy, expected] of cases) t.equal(isTimed(policy), expected, JSON.stringify(policy.spec))
})

t.test('the next change is the next beginning or end', async (t) => {
  const schedule = scheduleOf([
    timed({ notBeforeMs: 100, notAfterMs: 300 }),
    timed({ notAfterMs: 200 }),
    timed({ notBeforeMs: 200 }),
  ])
  t.match(schedule, { asksForTime: true, boundariesMs: [100, 200, 300], everyMinute: false })
  for (const [now, next] of [
    [0, 100],
    [99, 100],
    [100, 200],
    [250, 300],
    [300, undefined],
  ] as const)
    t.equal(nextChangeMs(schedule, now), next, `after ${now}`)
  t.equal(nextChangeMs(noSchedule, 0), undefined)
  t.equal(scheduleOf([]), noSchedule)
})

t.test('with a time of the week any minute may be a change', async (t) => {
  const schedule = scheduleOf([timed({ notBeforeMs: 90_000 }, [noon])])
  t.equal(nextChangeMs(schedule, 0), 60_000)
  t.equal(nextChangeMs(schedule, 59_999), 60_000)
  t.equal(nextChangeMs(schedule, 60_000), 90_000)
  t.equal(nextChangeMs(schedule, 90_000), 120_000)
})
