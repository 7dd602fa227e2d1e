import t from 'tap'
import { resolveDestination } from '../../../src/policy/destinations.ts'
import { choose, type DialTarget, type Endpoint, Endpoints } from '../../../src/sidecar/upstream/endpoints.ts'
import { type Dialled, UpstreamPool } from '../../../src/sidecar/upstream/pool.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import type { CompiledPolicy } from '../../../src/policy/compile.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { idOf, policyOf, service } from '../../fixtures/sidecar.ts'

interface Made {
  readonly target: DialTarget
  readonly service: string
  readonly calls: string[]
}

/** Endpoints whose pools keep what they are told. */
function make(): { endpoints: Endpoints; made: Made[] } {
  const clock = new TestClock()
  const made: Made[] = []
  const endpoints = new Endpoints((target, service) => {
    const calls: string[] = []
    made.push({ target, service, calls })
    const pool = new UpstreamPool({
      dial: (_done: (result: Dialled) => void) => {},
      speak: () => {
        throw new Error('nothing is connected')
      },
      multiplexed: false,
      keepsIdle: true,
      maxConnections: 1,
      queueTimeoutMs: 1000,
      sweep: new Sweep(clock),
      clock,
      active: { set: () => {}, add: () => {} },
    })
    for (const name of ['retire', 'close', 'destroy'] as const) {
      const call = pool[name].bind(pool)
      pool[name] = () => {
        calls.push(name)
        call()
      }
    }
    return pool
  })
  return { endpoints, made }
}

const address = (port: number): { host: string; port: number } => ({ host: '127.0.0.1', port })
const policy = (ports: readonly number[], identities: readonly string[] = [idOf('api')]): CompiledPolicy =>
  policyOf({ workload: 'web', services: [service('api', 8080, ports.map(address), identities)] })

function poolsOf(endpoints: Endpoints, current: CompiledPolicy): readonly Endpoint[] {
  return endpoints.of(resolveDestination(current.destinations, 'api')!)
}

t.test('an update keeps the pools of what stays, and drains what has gone', async (t) => {
  const { endpoints, made } = make()
  const first = policy([1, 2])
  endpoints.update(first)
  const [one, two] = poolsOf(endpoints, first)
  t.same([one!.address, two!.address], ['127.0.0.1:1', '127.0.0.1:2'])
  const second = policy([2, 3])
  endpoints.update(second)
  t.same(poolsOf(endpoints, first), [], 'a destination of an older policy leads nowhere')
  t.equal(poolsOf(endpoints, second)[0], two)
  t.same(
    made.map(({ calls }) => calls),
    [['close', 'retire'], [], []],
  )
})

t.test('a change of who may serve retires the connections', async (t) => {
  const { endpoints, made } = make()
  endpoints.update(policy([1]))
  const { target, calls } = made[0]!
  t.same([...target.identities()], [idOf('api')])
  endpoints.update(policy([1]))
  t.same(calls, [])
  endpoints.update(policy([1], [idOf('api'), idOf('other')]))
  t.same(calls, ['retire'])
  t.same([...target.identities()], [idOf('api'), idOf('other')])
  endpoints.retire()
  endpoints.destroy()
  t.same(calls, ['retire', 'retire', 'destroy'])
})

t.test('only endpoints of the called port', async (t) => {
  const { endpoints } = make()
  const base = service('api', 8080, [address(1), address(2)])
  const mixed = {
    ...base,
    spec: {
      ...base.spec,
      ports: [...base.spec.ports, { port: 81, targetPort: 9090, protocol: 'auto' as const }],
      endpoints: [base.spec.endpoints[0]!, { ...base.spec.endpoints[1]!, appPort: 9090 }],
    },
  }
  const current = policyOf({ workload: 'web', services: [mixed] })
  endpoints.update(current)
  t.same(
    ['api', 'api:81'].map((authority) =>
      endpoints.of(resolveDestination(current.destinations, authority)!).map((endpoint) => endpoint.address),
    ),
    [['127.0.0.1:1'], ['127.0.0.1:2']],
  )
})

function draws(...values: number[]): () => number {
  return () => values.shift()!
}

t.test('the less loaded of two, among those that could be reached lately', async (t) => {
  const { endpoints } = make()
  const current = policy([1, 2, 3])
  endpoints.update(current)
  const all = poolsOf(endpoints, current)
  const [one, two, three] = all
  t.equal(choose([], 0, draws()), undefined)
  t.equal(choose([one!], 0, draws()), one)
  t.equal(choose(all, 0, draws(0, 0.99)), one, 'the first of two that are equally loaded')
  one!.pool.acquire({ gone: false, connected: () => {}, failed: () => {} })
  t.equal(choose(all, 0, draws(0, 0.99)), three)
  two!.avoidUntilMs = 10
  three!.avoidUntilMs = 10
  t.equal(choose(all, 9, draws(0.99, 0.99)), one)
  t.equal(choose(all, 10, draws(0.99, 0.99)), three)
  one!.avoidUntilMs = 20
  two!.avoidUntilMs = 19
  three!.avoidUntilMs = 20
  t.equal(choose(all, 15, draws()), two, 'the oldest failure when none could be reached')
})
