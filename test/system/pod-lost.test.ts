// What happens to an injected pod when a part of it dies or hangs: the sidecar, and the application behind its probes.
import t from 'tap'
import { checkLeaks } from '../fixtures/leaks.ts'
import { SIDECAR_UID } from '../fixtures/namespaces.ts'
import { until } from '../fixtures/process.ts'
import {
  appContainer,
  appProgram,
  deployment,
  missingForPods,
  serviceOf,
  startPodMesh,
  workloadOf,
} from '../fixtures/pod-mesh.ts'

const missing = missingForPods()
if (missing === undefined) await proveLosses()
else {
  console.log(`note: the tests of pods are left out: they need ${missing}`)
  t.pass(`left out: needs ${missing}`)
}

async function proveLosses(): Promise<void> {
  checkLeaks(t)
  const CART = '10.96.0.10'
  const mesh = await startPodMesh(t, 2, ['cart', 'web'])
  const { network } = mesh
  await mesh.apply(workloadOf('cart'), workloadOf('web'), ...serviceOf('cart', CART, ['web']))
  // Longer than a sidecar takes to come back: it is asked through it.
  const probe = (path: string): object => ({ httpGet: { path, port: 'http' }, periodSeconds: 1, failureThreshold: 10 })
  const app = appContainer({ livenessProbe: probe('/live') })
  const client = { name: 'client', image: 'shop/client:1', args: [`http://${CART}/`, '2'] }
  const grace = { terminationGracePeriodSeconds: 3 }
  const cart = await mesh.run(deployment('cart', { containers: [app], ...grace }, network))
  const web = await mesh.run(deployment('web', { containers: [client], ...grace }, network))
  await Promise.all([cart.isReady(), web.isReady()])
  const { output } = web.container('client').running
  await output.line(/^works$/)
  // Whoever is not in the mesh, and asks the pod or the ports of its sidecar.
  const outside = async (port: number): Promise<string> =>
    (await network.router.run('curl', ['-sS', '-m', '1', `http://${cart.podIp}:${port}/`])).stdout
  // Something that is no part of the mesh, which only the rules keep the application from.
  const elsewhere = network.router.start(process.execPath, [appProgram, '8099', '9099'])
  await elsewhere.line(/app ready/)
  const target = `http://${network.router.ipv4}:8099/`
  const [, webPod] = network.pods
  const bySidecar = await webPod?.run('curl', ['-sS', '-m', '5', target], { uid: SIDECAR_UID })
  t.match(bySidecar?.stdout, /"url"/, 'it is there, for whoever may pass the rules')
  const escaped = async (): Promise<string> =>
    (await web.container('client').running.exec(['curl', '-sS', '-m', '1', target])).stdout

  for (const [who, pod] of [
    ['caller', web],
    ['callee', cart],
  ] as const) {
    await t.test(`the sidecar of the ${who} is killed`, async (t) => {
      const sidecar = pod.container('outrider')
      const before = { works: count(output.stdout, /^works$/gm), fails: count(output.stdout, /^fails/gm) }
      const killed = performance.now()
      sidecar.running.signal('SIGKILL')
      await pod.happened('outrider ended 137')
      const answers: string[] = []
      while (pod.events.filter((event) => event === 'outrider startup complete').length < 2)
        answers.push(await outside(8080), await escaped())
      t.ok(answers.length > 0, `asked ${answers.length} times while there was no sidecar`)
      t.same(new Set(answers), new Set(['']), 'nobody gets to the application, nor the application out')
      await pod.isReady()
      await until('requests work again', () => count(output.stdout, /^works$/gm) > before.works)
      t.comment(`requests work again ${Math.round(performance.now() - killed)} ms after the sidecar was killed`)
      t.ok(count(output.stdout, /^fails/gm) > before.fails, 'requests failed meanwhile')
      t.same(sidecar.exitCodes, [137])
      t.same(pod.container(pod === web ? 'client' : 'app').exitCodes, [], 'the application was not started anew')
      t.equal(pod.events.filter((event) => event === 'outrider-redirect started').length, 1, 'nor the rules made anew')
    })
  }

  await t.test('an application that hangs is seen through the sidecar, and started anew', async (t) => {
    const container = cart.container('app')
    t.match(container.spec.livenessProbe, { httpGet: { path: '/probe/http/8080/live', port: 15_020 } })
    const began = performance.now()
    const unready = count(cart.events.join('\n'), /^app unready$/gm)
    container.running.signal('SIGSTOP')
    await cart.happened('app unready', unready + 1)
    await cart.happened('app unhealthy')
    t.comment(`told after ${Math.round(performance.now() - began)} ms`)
    await cart.happened('app ended 137')
    await cart.happened('app started', 2)
    await cart.isReady()
    t.same(cart.container('outrider').exitCodes, [137], 'the sidecar stayed')
    const before = count(output.stdout, /^sent /gm)
    await until('requests go on', () => count(output.stdout, /^sent /gm) > before)
  })

  await t.test('the port of the probes asks nothing that is not probed', async (t) => {
    const status = async (path: string): Promise<string> => {
      const words = ['-s', '-o', '/dev/null', '-m', '2', '-w', '%{http_code}']
      return (await network.router.run('curl', [...words, `http://${cart.podIp}:15020${path}`])).stdout
    }
    t.equal(await status('/probe/http/8080/live'), '200')
    t.equal(await status('/probe/http/8080/orders'), '404')
    t.equal(await status('/probe/http/9090/live'), '404')
    t.equal(await status('/policy'), '404')
  })

  await t.test('the end', async (t) => {
    await Promise.all([web.delete(), cart.delete()])
    t.same(web.container('client').exitCodes, [0])
    await mesh.node.clear()
  })
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0
}
