import t from 'tap'
import { versionOf } from '../../../../src/control/publish/version.ts'
import { resolvedWorkload } from '../../../../src/control/publish/resolve.ts'
import type { ResolvedService } from '../../../../src/policy/model.ts'
import { validateResource } from '../../../../src/policy/validate.ts'
import { workload } from '../../../fixtures/control.ts'

const orders: ResolvedService = {
  kind: 'Service',
  metadata: { namespace: 'shop', name: 'orders' },
  spec: {
    hosts: ['orders.shop'],
    ports: [{ port: 80, targetPort: 8080, protocol: 'auto' }],
    identities: [],
    endpoints: [{ address: '10.0.0.1', port: 8080, appPort: 8080 }],
    addresses: ['10.96.0.1'],
  },
}

t.test('the same content has the same version, in whatever order it was put together', async (t) => {
  const { kind, metadata, spec } = orders
  const turned: ResolvedService = {
    spec: { ...spec, ports: [{ protocol: 'auto', targetPort: 8080, port: 80 }] },
    metadata: { name: metadata.name, namespace: metadata.namespace },
    kind,
  }
  t.equal(versionOf(turned), versionOf(orders))
  // Fixed: servers of two versions of the program must agree while one replaces the other.
  t.equal(versionOf(orders), 6_242_245_513_045_349)
})

t.test('other content has another one, which no revision has and a double holds', async (t) => {
  const seen = new Set<number>()
  for (let last = 1; last <= 250; last += 1) {
    const endpoints = [{ address: `10.0.0.${last}`, port: 8080, appPort: 8080 }]
    seen.add(versionOf({ ...orders, spec: { ...orders.spec, endpoints } }))
  }
  t.equal(seen.size, 250)
  for (const version of seen) {
    if (!Number.isSafeInteger(version) || version < 2 ** 52) t.fail(`${version} is no version`)
  }
})

t.test('only what a sidecar is sent counts', async (t) => {
  const versions = [{}, { ttl: '1h' }, { selectors: ['k8s:ns:shop'] }].map((spec) => {
    const read = validateResource(workload('web', spec))
    if (!read.ok || read.resource.kind !== 'Workload') throw new Error('no workload')
    return versionOf(resolvedWorkload(read.resource))
  })
  t.equal(new Set(versions).size, 1)
})
