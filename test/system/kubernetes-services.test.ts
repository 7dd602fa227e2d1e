// Services, EndpointSlices and pods of a real API server, written as its controllers write them: what is a service of the mesh.
import t, { type Test } from 'tap'
import { fieldsOf, itemsOf } from '../../src/injector/pod.ts'
import {
  type ClusterService,
  createService,
  endPod,
  type SliceEndpoint,
  terminatePod,
  writeSlice,
} from '../fixtures/cluster-controllers.ts'
import { type ClusterMesh, shopId, startClusterMesh } from '../fixtures/cluster-mesh.ts'
import { SHOP } from '../fixtures/cluster-resources.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { ask } from '../fixtures/mesh.ts'
import { until } from '../fixtures/process.ts'

checkLeaks(t)

/** The bar. */
const WITHIN_MS = 1000
/** Port 80 is that with the name, port 90 the one without. */
const ports = [
  { name: 'http', port: 80, targetPort: 'http', appProtocol: 'http' },
  { name: 'grpc-orders', port: 90, targetPort: 9090 },
]
const slicePorts = [
  { name: 'http', port: 8080, appProtocol: 'http' },
  { name: 'grpc-orders', port: 9090 },
]

t.test('services of a cluster', async (t) => {
  const mesh = await startClusterMesh(t, 2)
  if (typeof mesh !== 'string') return withMesh(t, mesh)
  console.log(`note: left out: ${mesh}`)
  t.pass('there is no API server')
})

type Fields = Readonly<Record<string, unknown>>

async function withMesh(t: Test, mesh: ClusterMesh): Promise<void> {
  const { cluster, controls } = mesh
  const [first, second] = controls
  if (first === undefined || second === undefined) throw new TypeError('two control servers are needed')

  // No resource of ours says who these are: the Workload follows from the pod.
  const callers = [
    await mesh.sidecar('web', first.door, ['--outbound', '127.0.0.1:0'], await mesh.pod('web', {})),
    await mesh.sidecar('web', second.door, ['--outbound', '127.0.0.1:0'], await mesh.pod('web', {})),
  ]

  /** What the sidecars of both control servers know of a service; undefined: nothing. */
  const known = async (name: string): Promise<readonly (Fields | undefined)[]> =>
    Promise.all(
      callers.map(async ({ admin }) => {
        const { resources } = JSON.parse((await ask(admin, '/policy')).text)
        const services = itemsOf(resources).map(fieldsOf)
        const isIt = (metadata: unknown): boolean => fieldsOf(metadata)['name'] === name
        const found = services.find(({ kind, metadata }) => kind === 'Service' && isIt(metadata))
        return found === undefined ? undefined : fieldsOf(found['spec'])
      }),
    )
  const took: number[] = []
  /** That both know it so within a second. */
  const becomes = async (
    t: Test,
    name: string,
    what: string,
    holds: (spec: Fields | undefined) => boolean,
  ): Promise<void> => {
    const ms = await until(what, async () => (await known(name)).every(holds), 10_000)
    took.push(ms)
    t.ok(ms < WITHIN_MS, `${what}, within ${WITHIN_MS} ms`)
  }
  const addressesIn = (spec: Fields | undefined): string[] =>
    itemsOf(spec?.['endpoints']).map((endpoint) => {
      const { address, port, appPort } = fieldsOf(endpoint)
      return `${String(address)}:${String(port)} ${String(appPort)}`
    })
  const hasEndpoints =
    (...wanted: readonly string[]) =>
    (spec: Fields | undefined): boolean =>
      JSON.stringify(addressesIn(spec).toSorted()) === JSON.stringify(wanted.toSorted())
  const slice = (service: ClusterService, ...endpoints: readonly SliceEndpoint[]): Promise<void> =>
    writeSlice(cluster, service, slicePorts, endpoints)

  await t.test('of pods that are captured, of pods that are not, and of pods without a sidecar', async (t) => {
    const [captured, explicit, plain] = [
      await mesh.pod('catalog', {}),
      await mesh.pod('catalog', { mode: 'explicit' }),
      await mesh.pod('catalog'),
    ]
    const service = await createService(cluster, SHOP, 'catalog', { selector: { app: 'catalog' }, ports })
    await slice(service, { pod: captured }, { pod: explicit }, { pod: plain })
    const all = [
      `${captured.ip}:8080 8080`,
      `${captured.ip}:9090 9090`,
      `${explicit.ip}:15100 8080`,
      `${explicit.ip}:15101 9090`,
    ]
    await becomes(t, 'catalog', 'endpoints of both pods with a sidecar', hasEndpoints(...all))
    const [spec] = await known('catalog')
    t.same(spec?.['addresses'], service.clusterIPs, 'known by the address that the API server gave it')
    t.same(spec?.['identities'], [shopId('catalog')])
    t.match(spec?.['ports'], [
      { port: 80, targetPort: 8080, protocol: 'auto' },
      { port: 90, targetPort: 9090, protocol: 'grpc' },
    ])

    await slice(service, { pod: captured, ready: false }, { pod: explicit })
    await becomes(t, 'catalog', 'one that is not ready is none', hasEndpoints(...all.slice(2)))
    await slice(service, { pod: captured }, { pod: explicit })
    await becomes(t, 'catalog', 'ready again', hasEndpoints(...all))

    // A roll-out: the pod is asked to end, its endpoint terminates, the object goes, the endpoint goes.
    await terminatePod(cluster, captured)
    await slice(service, { pod: captured, terminating: true }, { pod: explicit })
    await becomes(t, 'catalog', 'one that terminates is none', hasEndpoints(...all.slice(2)))
    await endPod(cluster, captured)
    const next = await mesh.pod('catalog', {})
    await slice(service, { pod: explicit }, { pod: next })
    await becomes(
      t,
      'catalog',
      'its successor is there',
      hasEndpoints(...all.slice(2), `${next.ip}:8080 8080`, `${next.ip}:9090 9090`),
    )
  })

  await t.test('a service resource of the same name says more, and has the endpoints of the cluster', async (t) => {
    await mesh.write('Service', 'catalog', {
      hosts: ['catalog.example.org'],
      ports: [{ port: 80, targetPort: 8080 }],
      workloads: ['catalog'],
    })
    await becomes(t, 'catalog', 'the resource is what counts', (spec) =>
      itemsOf(spec?.['hosts']).includes('catalog.example.org'),
    )
    const [spec] = await known('catalog')
    t.equal(itemsOf(spec?.['addresses']).length, 1)
    t.ok(addressesIn(spec).length >= 2)
    await mesh.erase('Service', 'catalog')
    await becomes(t, 'catalog', 'and back', (spec) => itemsOf(spec?.['hosts']).length === 0)
  })

  await t.test('two slices of one service, and a headless one', async (t) => {
    const pods = [await mesh.pod('search', {}), await mesh.pod('search', {})]
    const service = await createService(cluster, SHOP, 'search', { clusterIP: 'None', selector: {}, ports })
    await writeSlice(cluster, service, slicePorts.slice(0, 1), [{ pod: pods[0]! }], 'one')
    await writeSlice(cluster, service, slicePorts.slice(0, 1), [{ pod: pods[1]! }], 'two')
    const both = pods.map(({ ip }) => `${ip}:8080 8080`)
    await becomes(t, 'search', 'endpoints of both slices', hasEndpoints(...both))
    await cluster.ask('DELETE', `/apis/discovery.k8s.io/v1/namespaces/${SHOP}/endpointslices/search-one`)
    await becomes(t, 'search', 'one slice is gone', hasEndpoints(...both.slice(1)))
    await cluster.ask('DELETE', `/api/v1/namespaces/${SHOP}/services/search`)
    await becomes(t, 'search', 'the service is gone', (spec) => spec === undefined)
  })

  took.sort((a, b) => a - b)
  t.comment(
    `${took.length} changes, answered to known in two sidecars: median ${took[took.length >> 1]} ms, longest ${took.at(-1)} ms`,
  )
}
