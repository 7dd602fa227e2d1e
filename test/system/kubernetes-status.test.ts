// What the control servers write back to a real API server, and what its administrators see of it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fieldsOf, itemsOf } from '../../src/injector/pod.ts'
import type { Kind } from '../../src/policy/model.ts'
import { shopId, startClusterMesh } from '../fixtures/cluster-mesh.ts'
import { SHOP } from '../fixtures/cluster-resources.ts'
import { kubeconfigOf } from '../fixtures/kubeconfig.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { resource } from '../fixtures/mesh.ts'
import { type Ended, findProgram, runProgram, temporaryFolder, until } from '../fixtures/process.ts'
import { type Shop, servers, startShop } from '../fixtures/shop.ts'

checkLeaks(t)

type Fields = Readonly<Record<string, unknown>>

t.test('status in a real API server', async (t) => {
  const mesh = await startClusterMesh(t, 2)
  if (typeof mesh !== 'string') return withShop(t, await startShop(t, mesh))
  console.log(`note: left out: ${mesh}`)
  t.pass('there is no API server')
})

async function withShop(t: Test, shop: Shop): Promise<void> {
  const { mesh } = shop
  const [first] = mesh.controls
  if (first === undefined) throw new TypeError('a control server is needed')
  const read = async (kind: Kind, name: string): Promise<{ metadata: Fields; status: Fields }> => {
    const object = await mesh.read(kind, name)
    return { metadata: fieldsOf(object?.['metadata']), status: fieldsOf(object?.['status']) }
  }
  /** Waits until the status is of the present generation, and as it should be; gives the object. */
  const settled = async (kind: Kind, name: string, holds: (status: Fields) => boolean): ReturnType<typeof read> => {
    let last = await read(kind, name)
    const isSettled = async (): Promise<boolean> => {
      last = await read(kind, name)
      return last.status['observedGeneration'] === last.metadata['generation'] && holds(last.status)
    }
    // What it is in its place is told by the assertions.
    await until('the status is written', isSettled).catch(() => {})
    return last
  }
  const condition = (status: Fields, type: string): Fields =>
    itemsOf(status['conditions'])
      .map(fieldsOf)
      .find((item) => item['type'] === type) ?? {}
  const isOf =
    (sidecars: number, applied = sidecars) =>
    (status: Fields): boolean =>
      status['sidecars'] === sidecars && status['applied'] === applied

  await t.test('sums of both control servers, and the conditions', async (t) => {
    const { status } = await settled('AuthorizationPolicy', 'steady', isOf(3))
    t.match(status, {
      sidecars: 3,
      applied: 3,
      refused: 0,
      servers: [
        { name: 'control-0', sidecars: 1, applied: 1, refused: 0 },
        { name: 'control-1', sidecars: 2, applied: 2, refused: 0 },
      ],
    })
    t.match(condition(status, 'Accepted'), { status: 'True', observedGeneration: 1, lastTransitionTime: String })
    t.match(condition(status, 'Applied'), { status: 'True', observedGeneration: 1 })
  })

  await t.test('it follows a change, and then nobody writes any more', async (t) => {
    const before = await read('AuthorizationPolicy', 'steady')
    await shop.policy('followed', ['/a'])
    await settled('AuthorizationPolicy', 'followed', isOf(3))
    await shop.policy('followed', ['/b'])
    const { metadata, status } = await settled('AuthorizationPolicy', 'followed', isOf(3))
    t.equal(metadata['generation'], 2)
    t.match(condition(status, 'Applied'), { status: 'True', observedGeneration: 2 })
    const after = await read('AuthorizationPolicy', 'steady')
    t.equal(after.metadata['resourceVersion'], before.metadata['resourceVersion'], 'another one was left alone')
  })

  await t.test('what names something that is not there is not served; the form before stays in force', async (t) => {
    const ports = [{ port: 80, targetPort: shop.appPort }]
    const { host, port } = shop.sidecars.pay.inbound[0]!
    const endpoints = [{ address: host, port }]
    await mesh.write('Service', 'pay', { ports, endpoints, workloads: ['pay', 'not-there-yet'] })
    const { status } = await settled('Service', 'pay', (held) => condition(held, 'Accepted')['status'] === 'False')
    t.match(condition(status, 'Accepted'), { status: 'False', message: /not-there-yet/ })
    t.equal((await shop.get('pay', '/steady')).status, 200)
    // It is tried again by itself.
    await mesh.write('Workload', 'not-there-yet', { spiffeId: shopId('not-there-yet') })
    const later = await settled('Service', 'pay', (held) => condition(held, 'Accepted')['status'] === 'True')
    t.match(condition(later.status, 'Accepted'), { status: 'True' })
    t.equal((await shop.get('pay', '/steady')).status, 200)
  })

  await t.test('a control server that leaves takes its entry with it', async (t) => {
    await first.process.stop('SIGTERM')
    const { status } = await settled('AuthorizationPolicy', 'steady', isOf(2))
    t.match(status, { sidecars: 2, applied: 2, servers: [{ name: 'control-1', sidecars: 2, applied: 2 }] })
    t.equal(itemsOf(status['servers']).length, 1)
    await first.start()
    const again = await settled('AuthorizationPolicy', 'steady', isOf(3))
    t.match(again.status, { sidecars: 3, applied: 3 })
  })

  const kubectl = findProgram('kubectl')
  if (kubectl === undefined) {
    console.log('note: left out: kubectl is not installed')
    return
  }
  await t.test('kubectl', async (t) => {
    const folder = temporaryFolder(t)
    const config = kubeconfigOf(t, mesh.cluster)
    const run = (args: readonly string[], input?: string): Promise<Ended> =>
      runProgram(t, kubectl, ['--kubeconfig', config, '-n', SHOP, ...args], {
        env: { HOME: folder },
        ...(input === undefined ? {} : { input }),
      })
    const rules = (path: string): object[] => [
      { name: 'web', from: [{ spiffeIds: [shopId('web')] }], to: [{ paths: [path] }] },
    ]
    const policy = (path: string, more: object = {}): string =>
      resource('AuthorizationPolicy', 'by-kubectl', {
        workloads: [...servers],
        action: 'ALLOW',
        rules: rules(path),
        ...more,
      })
    const file = join(folder, 'policy.json')
    for (const path of ['/by-kubectl', '/by-kubectl-again']) {
      writeFileSync(file, policy(path))
      const { code, stdout, stderr } = await run(['apply', '-f', file])
      t.equal(code, 0, stderr)
      t.match(stdout, /authorizationpolicy\.outrider\.mesh\/by-kubectl (created|configured)/)
      t.comment(`${stdout.trim()}; enforced ${await shop.answers(path, 200)} ms later`)
    }
    const waited = await run(['wait', 'authorizationpolicy/by-kubectl', '--for=condition=Applied', '--timeout=20s'])
    t.equal(waited.code, 0, waited.stderr)
    await settled('AuthorizationPolicy', 'by-kubectl', isOf(3))
    const table = await run(['get', 'authorizationpolicies', 'by-kubectl'])
    t.comment(table.stdout.trim().replaceAll('\n', '; '))
    t.match(table.stdout, /^NAME +ACTION +ACCEPTED +APPLIED +SIDECARS +AGE\nby-kubectl +ALLOW +True +3 +3 +\d+s\n$/)
    t.match((await run(['get', 'services.outrider.mesh'])).stdout, /^NAME .*ACCEPTED[^]*\naudit [^]*\norders /)
    t.match((await run(['get', 'outrider'])).stdout, /workload\.outrider\.mesh\/web/, 'all kinds by one word')

    // Without a webhook the API server takes it, and keeps the mistake for whoever reads it.
    const wrong = await run(['apply', '-f', '-'], policy('/x', { acton: 'DENY' }))
    t.equal(wrong.code, 0, wrong.stderr)
    const { status } = await settled(
      'AuthorizationPolicy',
      'by-kubectl',
      (held) => condition(held, 'Accepted')['status'] === 'False',
    )
    t.match(condition(status, 'Accepted'), { status: 'False', message: /acton/ })
    t.equal((await shop.get('orders', '/by-kubectl-again')).status, 200, 'the form before stays in force')
    const gone = await run(['delete', 'authorizationpolicy', 'by-kubectl'])
    t.equal(gone.code, 0, gone.stderr)
    await shop.answers('/by-kubectl-again', 403)
  })
  await shop.equals(t)
}
