// Policy in a real API server: what is applied there by REST is enforced within a second, and nothing that happens to the way, to the
// API server or to a control server loses any of it.
import t, { type Test } from 'tap'
import { parseAddress } from '../../src/lib/address.ts'
import { shopId, startClusterMesh } from '../fixtures/cluster-mesh.ts'
import { SHOP } from '../fixtures/cluster-resources.ts'
import { below, seed } from '../fixtures/fuzz.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { ask } from '../fixtures/mesh.ts'
import { until } from '../fixtures/process.ts'
import { type Shop, startShop } from '../fixtures/shop.ts'

checkLeaks(t)

const CHANGES = 50
/** The bar. */
const WITHIN_MS = 1000

t.test('policy in a real API server', async (t) => {
  t.comment(`seed ${seed}`)
  const mesh = await startClusterMesh(t, 2)
  if (typeof mesh !== 'string') return withShop(t, await startShop(t, mesh))
  console.log(`note: left out: ${mesh}`)
  t.pass('there is no API server')
})

/** Changes of each kind by turns; gives how long each took from before it was sent until the last of the three enforced it. */
async function change(shop: Shop, prefix: string, count: number, before: () => void = () => {}): Promise<number[]> {
  const took: number[] = []
  const path = (index: number): string => `/${prefix}-${index}`
  await shop.policy(`${prefix}-changed`, [path(0)])
  await shop.answers(path(0), 200)
  for (let index = 1; index <= count; index += 1) {
    before()
    const started = performance.now()
    const name = `${prefix}-${index}`
    switch (index % 4) {
      case 0:
        await shop.policy(name, [path(index)])
        await shop.answers(path(index), 200)
        break
      case 1:
        await shop.policy(`${prefix}-changed`, [path(index)])
        await shop.answers(path(index), 200)
        break
      case 2:
        await shop.policy(name, [path(index - 1)], 'DENY')
        await shop.answers(path(index - 1), 403)
        break
      default:
        await shop.mesh.erase('AuthorizationPolicy', `${prefix}-${index - 1}`)
        await shop.answers(path(index - 2), 200)
    }
    took.push(performance.now() - started)
  }
  return took.toSorted((a, b) => a - b)
}

function figures(took: readonly number[]): string {
  const [median, longest] = [took[took.length >> 1] ?? Number.NaN, took.at(-1) ?? Number.NaN]
  return `${took.length} changes, sent to enforced in every sidecar: median ${median.toFixed(0)} ms, longest ${longest.toFixed(0)} ms`
}

async function withShop(t: Test, shop: Shop): Promise<void> {
  const { mesh } = shop
  const { cluster } = mesh
  const [first, second] = mesh.controls
  if (first === undefined || second === undefined) throw new TypeError('two control servers are needed')
  const ways = [first.way, second.way]

  await t.test('enforced within a second', async (t) => {
    const took = await change(shop, 'calm', CHANGES)
    t.comment(figures(took))
    t.ok((took.at(-1) ?? Number.NaN) < WITHIN_MS, `every one of ${took.length} within ${WITHIN_MS} ms`)
    await shop.equals(t)
  })

  await t.test('the ways to the API server are cut again and again', async (t) => {
    const cut = (): void => {
      if (below(2) === 0) ways[below(2)]?.drop()
    }
    t.comment(figures(await shop.steady(t, () => change(shop, 'cut', CHANGES, cut))))
    await shop.equals(t)
    // Later there are some: an API server that has just started does not know the roles yet.
    for (const { process } of mesh.controls) {
      const forbidden = process.stderr.split('\n').filter((line) => line.includes('kubernetes-forbidden'))
      t.same(forbidden, [], 'the rights of deploy/ are enough')
    }
  })

  await t.test('no way for a while, and all versions of before forgotten: 410', async (t) => {
    await shop.policy('to-be-deleted', ['/to-be-deleted'])
    await shop.policy('to-be-denied', ['/to-be-denied'])
    await shop.answers('/to-be-deleted', 200)
    await shop.answers('/to-be-denied', 200)
    await shop.steady(t, async () => {
      await Promise.all(ways.map((way) => way.down()))
      await mesh.erase('AuthorizationPolicy', 'to-be-deleted')
      await shop.policy('denial', ['/to-be-denied'], 'DENY')
      await shop.policy('meanwhile', ['/meanwhile'])
      await cluster.compact()
      // Its cache would still know.
      await cluster.stop('SIGKILL')
      await cluster.start()
      t.equal((await shop.get('orders', '/to-be-deleted')).status, 200, 'nobody knows yet')
      await Promise.all(ways.map((way) => way.up()))
      const took = [
        await shop.answers('/to-be-deleted', 403),
        await shop.answers('/to-be-denied', 403),
        await shop.answers('/meanwhile', 200),
      ]
      t.comment(`enforced ${Math.max(...took)} ms after the ways were open again`)
    })
    await shop.equals(t)
  })

  await t.test('the API server is killed while changes go on, and starts again', async (t) => {
    await shop.steady(t, async () => {
      await change(shop, 'before', 4)
      const away = cluster.stop('SIGKILL').then(() => cluster.start())
      // The one that applies tries again, as a person does.
      let applied = 0
      for (let index = 0; index < 10; index += 1) {
        await until('applied', () => shop.policy(`killed-${index}`, [`/killed-${index}`]).then(...told))
        applied += 1
      }
      await away
      t.equal(applied, 10)
      const took = await Promise.all(
        Array.from({ length: applied }, (_, index) => shop.answers(`/killed-${index}`, 200)),
      )
      t.comment(`all enforced ${Math.max(...took)} ms after the last was applied`)
    })
    await shop.equals(t)
  })

  await t.test('a control server is killed and starts while the API server is away', async (t) => {
    await shop.policy('last', ['/last'])
    await shop.answers('/last', 200)
    await shop.steady(t, async () => {
      await cluster.stop('SIGKILL')
      await first.kill()
      await first.start()
      const serves = async (): Promise<boolean> =>
        (await ask(first.process.admin, '/ready')).status === 200 && (await isConnected(shop, 'orders'))
      const took = await until('it serves its copy', serves)
      t.comment(`a sidecar is connected again ${took} ms after its control server was ready`)
      await shop.answers('/last', 200)
      t.equal((await shop.get('orders', '/never')).status, 403)
      await cluster.start()
      t.comment(`back: ${figures(await change(shop, 'back', 8))}`)
    })
    await shop.equals(t)
  })

  await t.test('sidecars go to the other control server and back, also to one that is behind', async (t) => {
    await shop.steady(t, async () => {
      const before = await revisionOf(shop, 'orders')
      first.door.retarget(parseAddress(second.process.grpc)!)
      first.door.drop()
      await until('connected again', () => isConnected(shop, 'orders'))
      t.ok((await revisionOf(shop, 'orders')) >= before, 'its revision did not fall')
      t.comment(`moved: ${figures(await change(shop, 'moved', 8))}`)

      // The first one sees nothing more of this.
      await first.way.down()
      await shop.policy('ahead', ['/ahead'])
      await shop.policy('gone', ['/gone'])
      await shop.answers('/ahead', 200)
      await mesh.erase('AuthorizationPolicy', 'gone')
      await shop.answers('/gone', 403)
      const ahead = await revisionOf(shop, 'orders')
      first.door.retarget(parseAddress(first.process.grpc)!)
      first.door.drop()
      await until('it has left', async () => !(await isConnected(shop, 'orders')))
      for (let count = 0; count < 100; count += 1) {
        const [kept, gone] = await Promise.all([shop.get('orders', '/ahead'), shop.get('orders', '/gone')])
        if (kept.status !== 200 || gone.status !== 403)
          t.fail(`the older policy came back: ${kept.status} ${gone.status}`)
      }
      await first.way.up()
      await until('connected again', () => isConnected(shop, 'orders'))
      t.ok((await revisionOf(shop, 'orders')) >= ahead, 'its revision did not fall')
      t.comment(`back: ${figures(await change(shop, 'home', 8))}`)
    })
    await shop.equals(t)
  })

  await t.test('the way hangs, and nobody is told', async (t) => {
    await shop.steady(t, async () => {
      for (const way of ways) way.hang()
      await shop.policy('hanging', ['/hanging'])
      t.equal((await shop.get('orders', '/hanging')).status, 403)
      for (const way of ways) way.resume()
      t.comment(`enforced ${await shop.answers('/hanging', 200)} ms after it goes on`)
    })
    await shop.equals(t)
  })

  await t.test('after all of it', async (t) => {
    await mesh.write('Workload', 'late', { spiffeId: shopId('late'), selectors: [`k8s:ns:${SHOP}`, 'k8s:sa:late'] })
    const workloads = `outrider_kubernetes_objects{type="workloads.outrider.mesh"} ${(await mesh.all('Workload')).size}`
    await until('the control server knows it', async () =>
      (await ask(second.process.admin, '/metrics')).text.includes(`${workloads}\n`),
    )
    const late = await mesh.sidecar('late', second.door, ['--outbound', '127.0.0.1:0'])
    t.equal((await ask(late.admin, '/ready')).status, 200, 'a newcomer gets its identity')
    for (const { process } of mesh.controls) {
      await until('every collection is in step', async () => {
        const { text } = await ask(process.admin, '/metrics')
        const inStep = text.split('\n').filter((line) => line.startsWith('outrider_kubernetes_in_step{'))
        return inStep.length > 10 && inStep.every((line) => line.endsWith(' 1'))
      })
    }
  })
}

/** Of a promise: whether it was fulfilled. */
const told = [() => true, () => false] as const

async function isConnected(shop: Shop, server: 'orders'): Promise<boolean> {
  return JSON.parse((await ask(shop.sidecars[server].admin, '/policy')).text).connected === true
}

async function revisionOf(shop: Shop, server: 'orders'): Promise<number> {
  return Number(JSON.parse((await ask(shop.sidecars[server].admin, '/policy')).text).revision)
}
