import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startApp } from '../fixtures/app.ts'
import { startTestCluster, type TestCluster } from '../fixtures/cluster-store.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { claimsOf, tokenOf } from '../fixtures/kubernetes.ts'
import { sendToOrders, type SidecarProcess, startControl, readySidecar } from '../fixtures/mesh.ts'
import { launcher, startProgram, temporaryFolder, until } from '../fixtures/process.ts'
import { freePort } from '../fixtures/web-server.ts'

checkLeaks(t)

function id(account: string): string {
  return `spiffe://test.local/ns/default/sa/${account}`
}

/** Flags as the injector writes them into the environment of a pod. */
async function startSidecar(
  t: Parameters<typeof startProgram>[0],
  cluster: TestCluster,
  control: string,
  account: string,
  flags: readonly string[],
): Promise<SidecarProcess> {
  const tokenFile = join(temporaryFolder(t), 'token')
  writeFileSync(tokenFile, tokenOf(cluster.key, claimsOf('default', account, Date.now())))
  const args = [
    'sidecar',
    '--control-address',
    control,
    '--admin',
    '127.0.0.1:0',
    '--trust-bundle-file',
    cluster.rootFile,
  ]
  const evidence = ['--attestation', 'kubernetes', '--kubernetes-token-file', tokenFile, '--spiffe-id', id(account)]
  return readySidecar(
    startProgram(t, process.execPath, [launcher, ...args, ...evidence, '--sidecar-id', `${account}-1`, ...flags]),
  )
}

t.test('a resource of the cluster is enforced by sidecars within a second, and what is deleted no more', async (t) => {
  const cluster = await startTestCluster(t)
  const app = await startApp(t)
  const listener = await freePort()
  cluster.pod('web-1', { account: 'web', ip: '127.0.0.2' })
  cluster.pod('orders-1', {
    account: 'orders',
    ip: '127.0.0.1',
    inbound: `[::]:${listener}=127.0.0.1:${app.address.port}`,
  })
  cluster.service('orders', { pods: ['orders-1'], targetPort: app.address.port })
  const flags = Object.entries({ ...cluster.flags, 'trust-domain': 'test.local' })
  const control = await startControl(
    t,
    join(temporaryFolder(t), 'data'),
    flags.flatMap(([name, value]) => [`--${name}`, value]),
  )
  const [web] = await Promise.all([
    startSidecar(t, cluster, control.grpc, 'web', ['--outbound', '127.0.0.1:0']),
    startSidecar(t, cluster, control.grpc, 'orders', [
      '--inbound',
      `127.0.0.1:${listener}=127.0.0.1:${app.address.port}`,
      '--outbound',
      '',
    ]),
  ])
  const answers = async (status: number): Promise<boolean> => (await sendToOrders(web, '/')).status === status
  await until('nobody is allowed anything', () => answers(403))
  const rule = { name: 'web', from: [{ spiffeIds: [id('web')] }] }
  const times: number[] = []
  for (let round = 0; round < 10; round += 1) {
    cluster.apply('AuthorizationPolicy', 'orders', { workloads: ['orders'], action: 'ALLOW', rules: [rule] })
    times.push(await until('it is allowed', () => answers(200)))
    cluster.remove('AuthorizationPolicy', 'orders')
    times.push(await until('it is not any more', () => answers(403)))
  }
  const sorted = times.toSorted((a, b) => a - b)
  t.comment(`from the write to the answer: median ${sorted[10]} ms, most ${sorted.at(-1)} ms`)
  t.ok(sorted[10]! <= 1000)
  cluster.apply('AuthorizationPolicy', 'orders', { workloads: ['orders'], action: 'ALLOW', rules: [rule] })
  await until('it is allowed', () => answers(200))
  await until('the status says so', () => {
    const status = cluster.get('AuthorizationPolicy', 'orders')?.['status']
    return JSON.stringify(status ?? {}).includes('"applied":1')
  })
})
