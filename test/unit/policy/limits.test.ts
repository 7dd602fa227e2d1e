import t from 'tap'
import { LimitTable } from '../../../src/policy/limits.ts'
import { parsePath } from '../../../src/policy/match/path.ts'
import { planLimit } from '../../../src/ratelimit/plan.ts'

const plan = (name: string): ReturnType<typeof planLimit> =>
  planLimit({ scope: 'test', name, key: 'all', requests: 1, perMs: 1000, burst: 1 })

t.test('a limit counts the requests that one of its operations matches', async (t) => {
  const always = plan('always')
  const writes = plan('writes')
  const table = new LimitTable([
    { plan: always, to: undefined },
    {
      plan: writes,
      to: [
        { methods: new Set(['POST']), paths: undefined, ports: undefined },
        { methods: undefined, paths: [parsePath('/admin/*')], ports: new Set([8080]) },
      ],
    },
  ])
  t.strictSame(table.plans, [always, writes])
  t.strictSame(table.of({ method: 'GET', path: '/', port: 8080 }), [always])
  t.strictSame(table.of({ method: 'POST', path: '/', port: 1 }), [always, writes])
  t.strictSame(table.of({ method: 'GET', path: '/admin/x', port: 8080 }), [always, writes])
  t.strictSame(table.of({ method: 'GET', path: '/admin/x', port: 1 }), [always])
  const tcp = { method: undefined, path: undefined, port: 8080 }
  t.strictSame(table.of(tcp), [always], 'a TCP connection has neither method nor path')
  const byPort = new LimitTable([
    { plan: writes, to: [{ methods: undefined, paths: undefined, ports: new Set([8080]) }] },
  ])
  t.strictSame(byPort.of(tcp), [writes])
  t.strictSame(new LimitTable([]).of({ method: 'GET', path: '/', port: 1 }), [])
})
