import t from 'tap'
import { type CompiledPolicy, compilePolicy } from '../../../src/policy/compile.ts'
import { decide, MAX_AUDITS } from '../../../src/policy/decide.ts'
import { explain, MAX_STEPS } from '../../../src/policy/explain.ts'
import type { AuthorizationPolicy, AuthorizationRule } from '../../../src/policy/model.ts'
import { policyOf, requestOf, workload } from './reference.ts'

type Spec = Partial<AuthorizationPolicy['spec']>

function policy(
  name: string,
  spec: Spec & Pick<AuthorizationPolicy['spec'], 'action'>,
  rules: readonly AuthorizationRule[] = [{}],
): AuthorizationPolicy {
  const base = policyOf('ALLOW', rules, name)
  return { ...base, spec: { ...base.spec, ...spec } }
}

function compiled(...policies: readonly AuthorizationPolicy[]): CompiledPolicy {
  const { policy, violations } = compilePolicy({ workload, policies, limits: [], services: [] })
  if (violations.length > 0) throw new Error(JSON.stringify(violations))
  return policy
}

const all = policy('all', { action: 'ALLOW' })
const paths = (path: string): readonly AuthorizationRule[] => [{ to: [{ paths: [path] }] }]
const ask = requestOf({ path: '/a', nowMs: 150 })

t.test('AUDIT rules that match are told, and decide nothing', async (t) => {
  const audit = policy('audit', { action: 'AUDIT' }, [...paths('/a'), ...paths('/b')])
  const trial = policy('trial', { action: 'AUDIT', dryRun: true }, paths('/a*'))
  t.match(decide(compiled(all, audit, trial), ask), {
    kind: 'permit',
    audits: [
      { policy: { name: 'audit' }, rule: 'rules[0]' },
      { policy: { name: 'trial' }, rule: 'rules[0]' },
    ],
  })
  t.match(decide(compiled(audit), ask), { kind: 'denial', code: 'no-allow-rule', audits: [{ rule: 'rules[0]' }] })
  const never = policy('never', { action: 'DENY' })
  t.match(decide(compiled(all, audit, never), ask), { code: 'denied-by-rule', audits: [{ rule: 'rules[0]' }] })
  t.equal(decide(compiled(all, audit), requestOf({ path: '/c' })).audits, undefined)
  const many = policy(
    'many',
    { action: 'AUDIT' },
    Array.from({ length: MAX_AUDITS + 1 }, () => ({})),
  )
  t.equal(decide(compiled(many), ask).audits?.length, MAX_AUDITS)
})

t.test('a dry run says what it would change, and only that', async (t) => {
  const never = policy('never', { action: 'DENY', dryRun: true }, paths('/a'))
  t.match(decide(compiled(all, never), ask), {
    kind: 'permit',
    shadow: { kind: 'denial', rule: { policy: { name: 'never' } } },
  })
  t.equal(decide(compiled(all, never), requestOf({ path: '/b' })).shadow, undefined)
  const more = policy('more', { action: 'ALLOW', dryRun: true }, paths('/a'))
  t.match(decide(compiled(more), ask), {
    kind: 'denial',
    code: 'no-allow-rule',
    shadow: { kind: 'permit', rule: { policy: { name: 'more' } } },
  })
  t.equal(decide(compiled(more), requestOf({ path: '/b' })).shadow, undefined)
  t.equal(decide(compiled(more, never), ask).shadow, undefined, 'both together would deny too')
  t.equal(decide(compiled(policy('no', { action: 'DENY' }), more), ask).shadow, undefined, 'a DENY stays one')
})

t.test('a policy is in force from its beginning and before its end', async (t) => {
  const grant = policy('grant', { action: 'ALLOW', notBeforeMs: 100, notAfterMs: 200 })
  const kinds = [99, 100, 199, 200].map((nowMs) => decide(compiled(grant), { ...ask, nowMs }).kind)
  t.same(kinds, ['denial', 'permit', 'permit', 'denial'])
  t.match(decide(compiled(grant), requestOf({})), { nearest: { failed: 'window' } })
  const { rules, schedule } = compiled(grant, all)
  t.equal(rules.allow.rules.length, 2)
  t.match(schedule, { asksForTime: true, boundariesMs: [100, 200] })
  t.equal(compiled(all).schedule.asksForTime, false)
})

t.test('an explanation tells of each rule, the considered ones first, and of no more than are asked for', async (t) => {
  const deny = policy('deny', { action: 'DENY' }, [{ name: 'elsewhere', ...paths('/b')[0] }])
  const grant = policy('grant', { action: 'ALLOW', notAfterMs: 100 }, paths('/a'))
  const trial = policy('trial', { action: 'DENY', dryRun: true }, paths('/a'))
  const set = compiled(
    deny,
    grant,
    trial,
    policy('methods', { action: 'ALLOW' }, [{ to: [{ paths: ['/a'], methods: ['PUT'] }] }]),
  )
  const { decision, steps, omitted } = explain(set, ask)
  t.match(decision, { kind: 'denial', code: 'no-allow-rule' })
  t.equal(omitted, 0)
  t.same(
    steps.map(({ policy, rule, action, dryRun, inForce, matched, failed, considered }) => [
      `${policy.name}/${rule}`,
      action,
      dryRun,
      inForce,
      matched,
      failed,
      considered,
    ]),
    [
      ['grant/rules[0]', 'ALLOW', false, false, false, ['window'], true],
      ['methods/rules[0]', 'ALLOW', false, true, false, ['to.methods'], true],
      ['trial/rules[0]', 'DENY', true, true, true, [], true],
      ['deny/elsewhere', 'DENY', false, true, false, ['to.paths'], false],
    ],
  )
  const few = explain(set, ask, 2)
  t.same([few.steps.length, few.omitted], [2, 2])
  const many = Array.from({ length: 3 }, (_, index) =>
    policy(
      `p${index}`,
      { action: 'ALLOW' },
      Array.from({ length: 400 }, () => ({ to: [{ paths: ['/z'] }] })),
    ),
  )
  const bounded = explain(compiled(...many), ask)
  t.same([bounded.steps.length, bounded.omitted], [MAX_STEPS, 200])
})
