import t from 'tap'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { compilePolicy, type PolicyInput } from '../../../src/policy/compile.ts'
import { apiVersion, type MeshConfig, type ResolvedService } from '../../../src/policy/model.ts'
import { validateResource } from '../../../src/policy/validate.ts'

const spiffeId = parseSpiffeId('spiffe://td.example/web')
const workload: PolicyInput['workload'] = {
  kind: 'Workload',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { spiffeId },
}

function service(name: string, spec: Partial<ResolvedService['spec']> = {}): ResolvedService {
  const ports = [{ port: 80, targetPort: 8080, protocol: 'auto' }] as const
  return {
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { hosts: [], ports, identities: [], endpoints: [], ...spec },
  }
}

function compiled(
  services: readonly ResolvedService[],
  meshConfigs: readonly MeshConfig[] = [],
): ReturnType<typeof compilePolicy> {
  return compilePolicy({ workload, policies: [], limits: [], services, meshConfigs })
}

const endpoint = { address: '10.77.2.2', port: 8080, appPort: 8080 }

t.test('a service is found by its addresses, and its endpoints by theirs', async (t) => {
  const orders = service('orders', { addresses: ['10.96.0.10', 'fd96::10'], endpoints: [endpoint] })
  const { policy, violations } = compiled([orders])
  t.same(violations, [])
  const { byAddress, known, named } = policy.addresses
  t.same([...byAddress.keys()].toSorted(), ['10.77.2.2:8080', '10.96.0.10:80', '[fd96::10]:80'])
  t.equal(byAddress.get('10.96.0.10:80')?.destination.service.metadata.name, 'orders')
  t.equal(byAddress.get('10.96.0.10:80')?.endpoint, undefined)
  t.equal(byAddress.get('10.77.2.2:8080')?.endpoint, '10.77.2.2:8080')
  t.same([...known].toSorted(), ['10.96.0.10', 'fd96::10'], 'a pod may have ports that are no service')
  t.same([...named], [80])
})

t.test('an address of two services is of neither', async (t) => {
  const addresses = ['10.96.0.10']
  const other = service('payments', { addresses, ports: [{ port: 81, targetPort: 81, protocol: 'tcp' }] })
  const three = ['c', 'a', 'b'].map((name) => service(name, { addresses }))
  const { policy, violations } = compiled([...three, other])
  t.same([...policy.addresses.byAddress.keys()], ['10.96.0.10:81'], 'another port is no conflict')
  t.match(violations, [
    {
      resource: { name: 'b' },
      field: 'spec.addresses[0]',
      code: 'address-conflict',
      message: /belongs to the service shop\/a/,
    },
    { resource: { name: 'c' }, code: 'address-conflict' },
  ])
  t.notOk(policy.addresses.named.has(81), 'nobody is told apart by name where TCP is spoken')
  const https = service('https', { ports: [{ port: 443, targetPort: 8443, protocol: 'tcp' }] })
  t.ok(compiled([https]).policy.addresses.named.has(443), 'but where TLS says the name')
})

t.test('endpoints that several services share lead to the first by name, whatever came first', async (t) => {
  const [a, b] = [service('a', { endpoints: [endpoint] }), service('b', { endpoints: [endpoint] })]
  for (const services of [
    [a, b],
    [b, a],
  ]) {
    const { policy, violations } = compiled(services)
    t.equal(policy.addresses.byAddress.get('10.77.2.2:8080')?.destination.service.metadata.name, 'a')
    t.same(violations, [])
  }
})

t.test('nothing goes out that one resource denies', async (t) => {
  const config = (outbound: 'allow' | 'deny', name = 'mesh'): MeshConfig => ({
    kind: 'MeshConfig',
    metadata: { name, namespace: 'default' },
    spec: { outbound },
  })
  t.equal(compiled([]).policy.outbound, 'deny')
  t.equal(compiled([], [config('allow')]).policy.outbound, 'allow')
  t.equal(compiled([], [config('allow'), config('deny', 'other')]).policy.outbound, 'deny')
  const unreadable = [{ kind: 'MeshConfig', metadata: { name: 'mesh', namespace: 'default' } }]
  const broken = compilePolicy({
    workload,
    policies: [],
    limits: [],
    services: [],
    meshConfigs: [config('allow')],
    unreadable,
  })
  t.equal(broken.policy.outbound, 'deny')
  t.equal(broken.policy.closed, undefined, 'nothing else is closed by that')
})

t.test('what is written is checked', async (t) => {
  const document = (kind: string, spec: object): object => ({ apiVersion, kind, metadata: { name: 'x' }, spec })
  t.match(validateResource(document('MeshConfig', {})), { ok: true, resource: { spec: { outbound: 'deny' } } })
  t.match(validateResource(document('MeshConfig', { outbound: 'open' })), {
    ok: false,
    violations: [{ field: 'spec.outbound', code: 'value-unknown' }],
  })
  const of = (addresses: readonly string[]): object =>
    document('Service', { ports: [{ port: 80 }], workloads: ['x'], addresses })
  t.match(validateResource(of(['10.0.0.1', '2001:DB8::1'])), {
    ok: true,
    resource: { spec: { addresses: ['10.0.0.1', '2001:db8::1'] } },
  })
  for (const bad of ['127.0.0.1', '::1', '0.0.0.0', '::', 'orders', '10.0.0.1/32', '::ffff:127.0.0.1']) {
    t.match(
      validateResource(of([bad])),
      { ok: false, violations: [{ field: 'spec.addresses[0]', code: 'service-address' }] },
      bad,
    )
  }
  t.match(
    validateResource(of(['::1:2', '::0001:2'])),
    { ok: false, violations: [{ code: 'duplicate' }] },
    'twice the same',
  )
})
