// Roll-outs: pods are replaced one after another under load, as a Deployment does it with maxUnavailable 0, and no request fails.
import t from 'tap'
import { checkLeaks } from '../fixtures/leaks.ts'
import { appContainer, deployment, missingForPods, serviceOf, startPodMesh, workloadOf } from '../fixtures/pod-mesh.ts'

const missing = missingForPods()
if (missing === undefined) await proveRollOuts()
else {
  console.log(`note: the tests of pods are left out: they need ${missing}`)
  t.pass(`left out: needs ${missing}`)
}

interface Case {
  readonly name: string
  readonly annotations?: Readonly<Record<string, string>>
  /** Of the application. */
  readonly more?: object
  /** What each request carries. */
  readonly body?: string
}

async function proveRollOuts(): Promise<void> {
  checkLeaks(t)
  const CART = '10.96.0.10'
  const ROUNDS = 2
  const sleep = { lifecycle: { preStop: { sleep: { seconds: 2 } } } }
  const cases: readonly Case[] = [
    { name: 'redirect, an application that waits before it stops', more: sleep },
    { name: 'redirect, requests with a body', more: sleep, body: 'x'.repeat(1000) },
    { name: 'redirect, an application that stops at once' },
    { name: 'tproxy', annotations: { 'outrider.mesh/mode': 'tproxy' }, more: sleep },
    { name: 'explicit', annotations: { 'outrider.mesh/mode': 'explicit' }, more: sleep },
  ]
  const mesh = await startPodMesh(t, cases.length * (ROUNDS + 2), ['cart', 'web'])
  const { network } = mesh
  await mesh.apply(workloadOf('cart'), workloadOf('web'), ...serviceOf('cart', CART, ['web']))
  for (const { name, annotations, more, body = '' } of cases) {
    await t.test(name, async (t) => {
      const cart = deployment(
        'cart',
        { ...(annotations && { annotations }), containers: [appContainer(more)] },
        network,
      )
      const client = { name: 'client', image: 'shop/client:1', args: [`http://${CART}/`, '8', body] }
      let pod = await mesh.run(cart)
      await pod.isReady()
      const web = await mesh.run(deployment('web', { containers: [client] }, network))
      await web.isReady()
      const { output } = web.container('client').running
      await output.line(/^sent 100$/)
      for (let round = 0; round < ROUNDS; round += 1) {
        const next = await mesh.run(cart)
        await next.isReady()
        await pod.delete()
        t.same(pod.turns.slice(-2), ['outrider SIGTERM', 'outrider ended 0'])
        pod = next
      }
      await web.delete()
      const { sent, failed } = JSON.parse(/^\{.*\}$/m.exec(output.stdout)?.[0] ?? '{}')
      const faults = output.stdout.match(/^fails: .*$/gm) ?? []
      t.ok(sent > 1000, `${sent} requests`)
      t.comment(`${name}: ${ROUNDS} pods replaced, ${sent} requests, ${failed} failed`)
      t.equal(failed, 0, faults.slice(0, 3).join('; '))
      await pod.delete()
    })
  }
  await t.test('the end', () => mesh.node.clear())
}
