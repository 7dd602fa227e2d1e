// A cluster in a nutshell: a real API server that has the policy, the Service and its EndpointSlice, and injected pods whose
// sidecars take what is sent to the cluster IP to where it belongs. There is no kube-proxy, and no Service or Workload of ours.
import t, { type Test } from 'tap'
import { createService, runPod, type SliceEndpoint, writeSlice } from '../fixtures/cluster-controllers.ts'
import { type ClusterPods, startClusterPods } from '../fixtures/cluster-pods.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import type { PodRunner } from '../fixtures/kubelet/pod-runner.ts'
import { accountId, appContainer, appProgram, deployment, missingForPods, NAMESPACE } from '../fixtures/pod-mesh.ts'
import { until } from '../fixtures/process.ts'

checkLeaks(t)

/** The bar for a change of policy. */
const WITHIN_MS = 1000
/** So many that each of two endpoints gets some: chosen at random, one is left out once in 2^29 times. */
const REQUESTS = 30
const PORT = 80
/** Exit codes of curl for a reset: before it knows that it is connected, when it sends, when it receives. */
const CURL_RESET = [7, 55, 56]

t.test('a cluster in a nutshell', async (t) => {
  const missing = missingForPods()
  const mesh = missing === undefined ? await startClusterPods(t, 5, ['web', 'batch', 'orders']) : `it needs ${missing}`
  if (typeof mesh !== 'string') return withPods(t, mesh)
  console.log(`note: left out: ${mesh}`)
  t.pass('there is no cluster')
})

interface Answer {
  readonly status: number
  readonly app: { readonly url?: string; readonly client?: string; readonly pod?: string }
}

async function withPods(t: Test, mesh: ClusterPods): Promise<void> {
  const { cluster, network, node } = mesh
  const running: PodRunner[] = []
  const start = async (account: string, mode: 'redirect' | 'tproxy' = 'redirect'): Promise<PodRunner> => {
    const env = [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }]
    const annotations = { 'outrider.mesh/mode': mode }
    const pod = await mesh.run(deployment(account, { annotations, containers: [appContainer({ env })] }, network))
    running.push(pod)
    return pod
  }
  const [web, batch, first] = await Promise.all([start('web'), start('batch', 'tproxy'), start('orders')])
  const [, , firstPod] = await Promise.all([web, batch, first].map((pod) => mesh.ready(pod)))
  if (firstPod === undefined) throw new TypeError('no pod')

  const orders = await createService(cluster, NAMESPACE, 'orders', {
    selector: { app: 'orders' },
    ports: [{ name: 'http', port: PORT, targetPort: 'http' }],
  })
  const slice = (...endpoints: readonly SliceEndpoint[]): Promise<void> =>
    writeSlice(cluster, orders, [{ name: 'http', port: 8080 }], endpoints)
  const [address = ''] = orders.clusterIPs

  const curl = (from: PodRunner, ...args: readonly string[]): ReturnType<typeof network.router.run> =>
    from.container('app').running.exec(['curl', '-sS', '-m', '10', ...args])
  /** In order. Rejects when one has no answer. */
  const answers = async (from: PodRunner, ...args: readonly string[]): Promise<readonly Answer[]> => {
    const { code, stdout, stderr } = await curl(from, '-w', '%{stderr}%{http_code}\n', ...args)
    if (code !== 0) throw new Error(`curl: ${stderr}`)
    const bodies = stdout.split('\n')
    return stderr
      .trim()
      .split('\n')
      .map((status, index) => ({
        status: Number(status),
        app: status === '200' ? JSON.parse(bodies[index] ?? '') : {},
      }))
  }
  const one = async (from: PodRunner, path = '/', host = address, ...args: readonly string[]): Promise<Answer> => {
    const [answer] = await answers(from, ...args, `http://${host}:${PORT}${path}`)
    if (answer === undefined) throw new Error('no answer')
    return answer
  }
  const identity = ({ app }: Answer): string | undefined => /URI=(.*)$/.exec(app.client ?? '')?.[1]
  const allow = (...accounts: readonly string[]): Promise<void> =>
    mesh.write('AuthorizationPolicy', 'orders', {
      workloads: ['orders'],
      action: 'ALLOW',
      rules: [
        {
          name: 'callers',
          from: [{ spiffeIds: accounts.map(accountId) }],
          to: [{ methods: ['GET'], paths: ['/', '/items/{**}'] }],
        },
      ],
    })

  await t.test('the cluster IP and the name of a Service lead to its pod', async (t) => {
    t.match(address, /^10\.96\./, 'assigned by the API server')
    await allow('web')
    await slice({ pod: firstPod })
    await until('an answer of the application', async () => {
      const { code, stdout } = await curl(web, '-o', '/dev/null', '-w', '%{http_code}', `http://${address}:${PORT}/`)
      return code === 0 && stdout === '200'
    })
    const names = [`orders.${NAMESPACE}`, `orders.${NAMESPACE}.svc`, `orders.${NAMESPACE}.svc.cluster.local`]
    for (const host of [address, ...names]) {
      const answer = await one(web, '/items/7', host, '--resolve', `${host}:${PORT}:${address}`)
      t.equal(answer.status, 200, host)
      t.equal(answer.app.pod, firstPod.name)
      t.equal(answer.app.url, '/items/7')
      t.equal(identity(answer), accountId('web'), 'the application sees the service account of the caller')
    }
    t.same([(await mesh.all('Service')).size, (await mesh.all('Workload')).size], [0, 0], 'nobody wrote one of ours')
  })

  await t.test('a path that is not allowed, and a caller who is not', async (t) => {
    t.equal((await one(web, '/admin')).status, 403)
    t.equal((await one(batch)).status, 403)
  })

  await t.test('a change of the policy counts within a second', async (t) => {
    const took: number[] = []
    const becomes = async (what: string, from: PodRunner, status: number): Promise<void> => {
      const ms = await until(what, async () => (await one(from)).status === status)
      took.push(ms)
      t.ok(ms < WITHIN_MS, what)
    }
    for (let round = 0; round < 5; round += 1) {
      await allow('web', 'batch')
      await becomes('another caller is allowed', batch, 200)
      await allow('web')
      await becomes('he is not any more', batch, 403)
      t.equal((await one(web)).status, 200, 'the other one is all the while')
    }
    await allow('web', 'batch')
    await becomes('he is again', batch, 200)
    t.equal(identity(await one(batch)), accountId('batch'), 'and is known in tproxy mode too')
    await mesh.erase('AuthorizationPolicy', 'orders')
    await becomes('without a policy nobody is', web, 403)
    await allow('web')
    await becomes('and back', web, 200)
    took.sort((a, b) => a - b)
    t.comment(
      `${took.length} changes, answered to enforced: median ${took[took.length >> 1]} ms, longest ${took.at(-1)} ms`,
    )
  })

  /** Which pods answered, of many requests. */
  const served = async (): Promise<string[]> => {
    const all = await answers(web, `http://${address}:${PORT}/items/[1-${REQUESTS}]`)
    t.same([...new Set(all.map(({ status }) => status))], [200], 'all of them are answered')
    t.equal(all.length, REQUESTS)
    return [...new Set(all.map(({ app }) => String(app.pod)))].toSorted()
  }

  await t.test('a pod that joins the slice gets traffic, and one that terminates gets none', async (t) => {
    t.same(await served(), [firstPod.name])
    const second = await start('orders')
    const secondPod = await mesh.ready(second)
    t.same(await served(), [firstPod.name], 'it is in no slice yet')
    await slice({ pod: firstPod }, { pod: secondPod })
    const both = [firstPod.name, secondPod.name].toSorted()
    const joinedMs = await until('both serve', async () => (await served()).length === 2)
    t.same(await served(), both)
    await slice({ pod: firstPod, terminating: true }, { pod: secondPod })
    const leftMs = await until('one serves', async () => (await served()).length === 1)
    t.same(await served(), [secondPod.name])
    t.ok(first.ready, 'though it would still answer')
    t.comment(`from the answer to the slice: joined after ${joinedMs} ms, left after ${leftMs} ms`)
  })

  await t.test('a Service without a pod of the mesh is refused', async (t) => {
    const place = network.pods.at(-1)
    if (place === undefined) throw new TypeError('no namespace is left')
    const app = place.start(process.execPath, [appProgram, '8080', '9090'])
    await app.line(/app ready/)
    const plain = { metadata: { name: 'plain-1' }, spec: { containers: [{ name: 'app', image: 'shop/app:1' }] } }
    const pod = await runPod(cluster, NAMESPACE, plain, place.ipv4)
    const service = await createService(cluster, NAMESPACE, 'plain', {
      selector: { app: 'plain' },
      ports: [PORT, 81].map((port) => ({ name: `http-${port}`, port, targetPort: 8080 })),
    })
    await writeSlice(
      cluster,
      service,
      [PORT, 81].map((port) => ({ name: `http-${port}`, port: 8080 })),
      [{ pod }],
    )
    const [ip = ''] = service.clusterIPs
    const reached = await network.router.run('curl', ['-sS', '-m', '10', `http://${pod.ip}:8080/`])
    t.equal(reached.code, 0, 'it is there for who is not in the mesh')
    const log = web.container('outrider').running.output
    // On a port where the mesh has a service, the Host is what may lead to one.
    const unknown = await curl(web, '-w', '%{http_code}', `http://${ip}:${PORT}/`)
    t.match(unknown.stdout, /^service-unknown: [^]*404$/, 'the cluster IP, on a port of the mesh')
    for (const to of [`${ip}:81`, `${pod.ip}:8080`]) {
      const { code, stdout } = await curl(web, `http://${to}/`)
      t.ok(CURL_RESET.includes(code ?? 0) && stdout === '', `${to} is reset`)
      const line = await log.line(new RegExp(`"authority":"${to.replaceAll('.', '\\.')}"`))
      t.match(JSON.parse(line), { destination: 'outside', code: 'outbound-denied' })
    }
    t.equal((await one(web)).status, 200, 'the others go on')
    await app.stop()
  })

  await Promise.all(running.map((pod) => pod.delete()))
  await node.clear()
}
