import t from 'tap'
import { Catalogue } from '../../../../src/control/publish/catalogue.ts'
import { resolvedWorkload, visible } from '../../../../src/control/publish/resolve.ts'
import { viewsOf } from '../../../../src/control/publish/views.ts'
import { compilePolicy } from '../../../../src/policy/compile.ts'
import type { Resource, Workload } from '../../../../src/policy/model.ts'
import { validateResource } from '../../../../src/policy/validate.ts'
import { below, pick, seed } from '../../../fixtures/fuzz.ts'

const namespaces = ['a', 'b', 'c']
const names = ['orders', 'cart', 'web']
const hosts = ['orders', 'cart', 'one.example', 'two.example', 'orders.a', 'web.b.svc']

function resource(kind: string, namespace: string, name: string, spec: object): Resource {
  const read = validateResource({ apiVersion: 'outrider.mesh/v1', kind, metadata: { namespace, name }, spec })
  if (!read.ok) throw new Error(JSON.stringify(read.violations))
  return read.resource
}

function randomResource(): Resource {
  const [namespace, name] = [pick(...namespaces), pick(...names)]
  if (below(3) === 0) {
    const upstreams = [pick('*', `${namespace}/*`, 'a/*', `${pick(...namespaces)}/${pick(...names)}`)]
    return resource('Workload', namespace, name, { spiffeId: `spiffe://test.local/${namespace}/${name}`, upstreams })
  }
  const some = [...new Set(Array.from({ length: below(3) }, () => pick(...hosts)))]
  const addresses = below(3) === 0 ? [`10.0.0.${1 + below(4)}`] : []
  return resource('Service', namespace, name, { ports: [{ port: 80 }], workloads: ['x'], hosts: some, addresses })
}

function breaks(workload: Workload, catalogue: Catalogue): boolean {
  const services = visible(workload, catalogue)
  return (
    compilePolicy({ workload: resolvedWorkload(workload), policies: [], limits: [], services }).violations.length > 0
  )
}

t.test('what breaks for any workload breaks in one of the views', async (t) => {
  t.comment(`seed ${seed}`)
  let broken = 0
  let looked = 0
  for (let round = 0; round < 60; round += 1) {
    const catalogue = new Catalogue()
    for (let step = 0; step < 25; step += 1) {
      const proposed = randomResource()
      const [expected, found, views] = catalogue.whatIf([proposed], () => {
        const seen = [...viewsOf([proposed], catalogue)]
        return [
          [...catalogue.workloads()].some((workload) => breaks(workload, catalogue)),
          seen.some((workload) => breaks(workload, catalogue)),
          seen.length,
        ]
      })
      looked += views
      if (expected !== found) t.fail(`${JSON.stringify(proposed)}: expected ${expected}, found ${found}`)
      if (expected) broken += 1
      else catalogue.put(proposed)
    }
  }
  t.ok(broken > 50, `${broken} of 1500 proposals break something, ${looked} views looked at`)
})

t.test('many namespaces that see everything are one view', async (t) => {
  const catalogue = new Catalogue()
  for (let index = 0; index < 50; index += 1) {
    const spiffeId = `spiffe://test.local/${index}`
    catalogue.put(resource('Workload', `ns-${index}`, 'web', { spiffeId, upstreams: ['*'] }))
    catalogue.put(resource('Service', `ns-${index}`, 'web', { ports: [{ port: 80 }], workloads: ['web'] }))
  }
  const service = resource('Service', 'ns-1', 'new', { ports: [{ port: 80 }], workloads: ['web'] })
  t.equal(
    catalogue.whatIf([service], () => [...viewsOf([service], catalogue)].length),
    1,
  )
  const claiming = resource('Service', 'ns-1', 'new', { ports: [{ port: 80 }], workloads: ['web'], hosts: ['web'] })
  t.equal(
    catalogue.whatIf([claiming], () => [...viewsOf([claiming], catalogue)].length),
    50,
    'there it is their own',
  )
})
