import t from 'tap'
import { lastingOf } from '../../../src/policy/lasting.ts'
import { allow, deny, rateLimit, revocation, service, workloadOf } from '../../fixtures/sidecar.ts'

t.test('what gives something is bounded, what takes something away is not', async (t) => {
  for (const resource of [allow('a'), service('db', 5432, []), workloadOf('api')]) {
    t.equal(lastingOf(resource), 'bounded', resource.kind)
  }
  const { kind, metadata, spec } = deny('a')
  const audit = { kind, metadata, spec: { ...spec, action: 'AUDIT' } } as const
  for (const resource of [deny('a'), audit, rateLimit('slow', {}), revocation('gone', {})]) {
    t.equal(lastingOf(resource), 'always', resource.kind)
  }
})
