import t from 'tap'
import { compileOperations } from '../../../src/policy/compile/operation.ts'
import { LimitTable } from '../../../src/policy/limits.ts'
import { lockoutPlans } from '../../../src/ratelimit/lockout.ts'
import { planLimit } from '../../../src/ratelimit/plan.ts'

const plan = (name: string): ReturnType<typeof planLimit> =>
  planLimit({ scope: 'test', name, key: 'all', requests: 1, perMs: 1000, burst: 1 })

const principal = { kind: 'anonymous', why: 'plaintext-port' } as const

t.test('a limit counts the requests that one of its operations matches', async (t) => {
  const always = plan('always')
  const writes = plan('writes')
  const table = new LimitTable([
    { plan: always, to: undefined },
    {
      plan: writes,
      to: compileOperations([{ methods: ['POST'] }, { paths: ['/admin/*'], ports: [8080] }], '', false, []),
    },
  ])
  t.strictSame(table.plans, [always, writes, ...lockoutPlans], 'every limit, and what locks out wrong API keys')
  t.strictSame(table.of({ principal, method: 'GET', path: '/', port: 8080 }), [always])
  t.strictSame(table.of({ principal, method: 'POST', path: '/', port: 1 }), [always, writes])
  t.strictSame(table.of({ principal, method: 'GET', path: '/admin/x', port: 8080 }), [always, writes])
  t.strictSame(table.of({ principal, method: 'GET', path: '/admin/x', port: 1 }), [always])
  const tcp = { principal, method: undefined, path: undefined, port: 8080 }
  t.strictSame(table.of(tcp), [always], 'a TCP connection has neither method nor path')
  const byPort = new LimitTable([{ plan: writes, to: compileOperations([{ ports: [8080] }], '', false, []) }])
  t.strictSame(byPort.of(tcp), [writes])
  t.strictSame(new LimitTable([]).of({ principal, method: 'GET', path: '/', port: 1 }), [])
})
