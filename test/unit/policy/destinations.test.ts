import t from 'tap'
import type { AppProtocol } from '../../../src/lib/app-protocol.ts'
import { compileDestinations, type Destinations, resolveDestination } from '../../../src/policy/destinations.ts'
import type { ResolvedService } from '../../../src/policy/model.ts'

function service(namespace: string, name: string, hosts: readonly string[] = []): ResolvedService {
  const ports = [
    { port: 80, targetPort: 8080, protocol: 'auto' },
    { port: 443, targetPort: 8443, protocol: 'grpc' },
  ] as const
  return { kind: 'Service', metadata: { namespace, name }, spec: { hosts, ports, identities: [], endpoints: [] } }
}

function who(destinations: Destinations, authority: string): string | undefined {
  const found = resolveDestination(destinations, authority)
  if (found === undefined) return undefined
  const { namespace, name } = found.service.metadata
  return `${namespace}/${name}:${found.targetPort}`
}

t.test('a service has the names of its name and namespace, and its hosts', async (t) => {
  const { destinations, violations } = compileDestinations([service('shop', 'api', ['api.example.org'])], [], 'shop')
  t.strictSame(violations, [])
  const names = ['api', 'api.shop', 'api.shop.svc', 'api.shop.svc.cluster.local', 'api.example.org']
  for (const name of names) {
    t.equal(who(destinations, name), 'shop/api:8080', name)
    t.equal(who(destinations, `${name}.`), 'shop/api:8080', `${name}.`)
    t.equal(who(destinations, `${name}:80`), 'shop/api:8080')
    t.equal(who(destinations, `${name}:443`), 'shop/api:8443')
    t.equal(who(destinations, `${name}:81`), undefined)
  }
  for (const authority of [
    '',
    ':80',
    'api:',
    'api:x',
    'api:080000',
    'api:80:80',
    'other',
    'api.other',
    'xapi',
    '[::1]',
  ])
    t.equal(who(destinations, authority), undefined, authority)
})

t.test('a short name is one of the own namespace first, then the only one', async (t) => {
  const services = [service('bank', 'api'), service('shop', 'api'), service('bank', 'pay')]
  t.equal(who(compileDestinations(services, [], 'shop').destinations, 'api'), 'shop/api:8080')
  t.equal(who(compileDestinations(services, [], 'bank').destinations, 'api'), 'bank/api:8080')
  const elsewhere = compileDestinations(services, [], 'tool')
  t.equal(who(elsewhere.destinations, 'api'), undefined, 'two services: neither')
  t.equal(who(elsewhere.destinations, 'pay'), 'bank/pay:8080')
  t.strictSame(elsewhere.violations, [])
})

t.test('no service takes the name of another, and the loser is told', async (t) => {
  const services = [
    service('zoo', 'thief', ['api.shop', 'shared.example.org', 'thief']),
    service('shop', 'api', ['shared.example.org']),
    service('bank', 'also', ['shared.example.org', 'api']),
  ]
  for (const order of [services, services.toReversed()]) {
    const { destinations, violations } = compileDestinations(order, [], 'shop')
    t.equal(who(destinations, 'api.shop'), 'shop/api:8080')
    t.equal(who(destinations, 'api'), 'shop/api:8080')
    t.equal(who(destinations, 'shared.example.org'), 'shop/api:8080')
    t.match(violations, [
      { resource: { namespace: 'bank', name: 'also' }, field: 'spec.hosts[0]', code: 'host-conflict' },
      { resource: { namespace: 'bank', name: 'also' }, field: 'spec.hosts[1]', code: 'host-conflict' },
      { resource: { namespace: 'zoo', name: 'thief' }, field: 'spec.hosts[0]', code: 'host-conflict' },
      { resource: { namespace: 'zoo', name: 'thief' }, field: 'spec.hosts[1]', code: 'host-conflict' },
    ])
  }
})

t.test('an unreadable service keeps its names from others', async (t) => {
  const unreadable = [{ kind: 'Service', metadata: { namespace: 'shop', name: 'api' } }]
  const { destinations } = compileDestinations([service('bank', 'other', ['api', 'api.shop'])], unreadable, 'shop')
  for (const name of ['api', 'api.shop', 'api.shop.svc.cluster.local'])
    t.equal(who(destinations, name), undefined, name)
})

function spoken(port: number, targetPort: number, protocol: AppProtocol): AppProtocol | undefined {
  const base = service('shop', 'db')
  const spec = { ...base.spec, ports: [{ port, targetPort, protocol }] }
  return resolveDestination(compileDestinations([{ ...base, spec }], [], 'shop').destinations, `db:${port}`)?.protocol
}

t.test('a port that is known not to carry HTTP is TCP, unless it declares a protocol', async (t) => {
  for (const port of [25, 587, 3306, 4444, 5432, 6379, 9300, 11_211]) {
    t.equal(spoken(port, 8080, 'auto'), 'tcp')
    t.equal(spoken(8080, port, 'auto'), 'tcp')
    t.equal(spoken(port, port, 'http1'), 'http1')
  }
  t.equal(spoken(80, 8080, 'auto'), 'auto')
  t.equal(spoken(80, 8080, 'tcp'), 'tcp')
})
