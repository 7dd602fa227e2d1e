// Order and ends of injected pods: who starts when, what may use the mesh from its first moment, and that Jobs end.
import t, { type Test } from 'tap'
import { checkLeaks } from '../fixtures/leaks.ts'
import type { PodRunner } from '../fixtures/kubelet/pod-runner.ts'
import {
  accountId,
  appContainer,
  cronJob,
  deployment,
  job,
  missingForPods,
  serviceOf,
  startPodMesh,
  type Template,
  workloadOf,
} from '../fixtures/pod-mesh.ts'

const missing = missingForPods()
if (missing === undefined) await proveOrder()
else {
  console.log(`note: the tests of pods are left out: they need ${missing}`)
  t.pass(`left out: needs ${missing}`)
}

async function proveOrder(): Promise<void> {
  checkLeaks(t)
  const CART = '10.96.0.10'
  const mesh = await startPodMesh(t, 9, ['cart', 'report'])
  const { network } = mesh
  await mesh.apply(workloadOf('cart'), workloadOf('report'), ...serviceOf('cart', CART, ['report']))
  const cart = await mesh.run(deployment('cart', { containers: [appContainer()] }, network))
  await cart.isReady()

  /** A program that asks at once, and has no second try. */
  const ask = (name: string, path: string): object => ({
    name,
    image: 'debian:12',
    command: ['curl', '-sS', '-f', '-m', '10', `http://${CART}/${path}`],
  })
  const run = (name: string, template: Template): Promise<PodRunner> =>
    mesh.run(job(name, 'report', { terminationGracePeriodSeconds: 20, ...template }, network))
  const answerOf = (pod: PodRunner, container: string): unknown =>
    JSON.parse(pod.container(container).running.output.stdout)
  const asReport = (path: string): object => ({ url: `/${path}`, client: new RegExp(`URI=${accountId('report')}$`) })
  const shell = (name: string, script: string, more: object = {}): object => ({
    name,
    image: 'debian:12',
    command: ['sh', '-c', script],
    ...more,
  })

  for (const mode of ['redirect', 'tproxy']) {
    await t.test(
      `${mode}: init containers and the first millisecond of the application use the mesh`,
      async (t: Test) => {
        const pod = await run(`early-${mode}`, {
          annotations: { 'outrider.mesh/mode': mode },
          initContainers: [ask('migrate', 'init'), ask('seed', 'second')],
          containers: [ask('main', 'first')],
        })
        await pod.over
        t.equal(pod.phase, 'Succeeded', pod.container('main').running.output.stderr)
        t.match(answerOf(pod, 'migrate'), asReport('init'))
        t.match(answerOf(pod, 'seed'), asReport('second'))
        t.match(answerOf(pod, 'main'), asReport('first'))
        const own = [
          'migrate started',
          'migrate ended 0',
          'seed started',
          'seed ended 0',
          'main started',
          'main ended 0',
        ]
        const before = ['outrider-redirect started', 'outrider-redirect ended 0', 'outrider started']
        t.same(pod.turns, [...before, ...own, 'outrider SIGTERM', 'outrider ended 0'])
        const at = (event: string): number => pod.events.indexOf(event)
        t.ok(at('outrider startup complete') < at('migrate started'), 'nobody starts before the sidecar is ready')
      },
    )
  }

  await t.test('a Job ends with the last of its containers, and the sidecar after it', async (t) => {
    const pod = await run('two', { containers: [shell('quick', 'exit 0'), shell('slow', 'sleep 1; exit 0')] })
    await pod.happened('quick ended 0')
    t.notOk(pod.events.includes('outrider SIGTERM'), 'one container is left')
    await pod.happened('slow ended 0')
    const began = performance.now()
    await pod.over
    t.comment(`a Job was over ${Math.round(performance.now() - began)} ms after its last container`)
    t.equal(pod.phase, 'Succeeded')
    t.same(pod.turns.slice(-2), ['outrider SIGTERM', 'outrider ended 0'])
  })

  await t.test('a Job that fails has failed, with the exit code of its own', async (t) => {
    const pod = await run('fails', { containers: [shell('main', 'exit 3')] })
    await pod.over
    t.equal(pod.phase, 'Failed')
    t.same(pod.container('main').exitCodes, [3])
    t.same(pod.container('outrider').exitCodes, [0])
  })

  await t.test('an init container that fails ends the pod, and the sidecar with it', async (t) => {
    const pod = await run('init-fails', {
      initContainers: [shell('migrate', 'exit 4')],
      containers: [ask('main', 'no')],
    })
    await pod.over
    t.equal(pod.phase, 'Failed')
    t.notOk(pod.container('main').begun)
    t.same(pod.container('outrider').exitCodes, [0])
  })

  await t.test('with OnFailure the container starts again beside the same sidecar', async (t) => {
    const again = `[ -e /state/tried ] || { touch /state/tried; exit 7; }; exec curl -sS -f -m 10 http://${CART}/again`
    const pod = await run('again', {
      restartPolicy: 'OnFailure',
      volumes: [{ name: 'state', emptyDir: {} }],
      containers: [shell('main', again, { volumeMounts: [{ name: 'state', mountPath: '/state' }] })],
    })
    await pod.over
    t.equal(pod.phase, 'Succeeded')
    t.same(pod.container('main').exitCodes, [7, 0])
    t.match(answerOf(pod, 'main'), asReport('again'))
    t.same(pod.container('outrider').exitCodes, [0], 'it ran from the first to the last')
  })

  await t.test('a CronJob, without privileges', async (t) => {
    const command = ['curl', '-sS', '-f', '-m', '10', 'http://cart.shop/nightly']
    const pod = await mesh.run(
      cronJob(
        'nightly',
        'report',
        {
          annotations: { 'outrider.mesh/mode': 'explicit' },
          containers: [{ name: 'main', image: 'debian:12', command }],
        },
        network,
      ),
    )
    await pod.over
    t.equal(pod.phase, 'Succeeded')
    t.match(answerOf(pod, 'main'), asReport('nightly'))
    t.same(pod.turns, ['outrider started', 'main started', 'main ended 0', 'outrider SIGTERM', 'outrider ended 0'])
  })

  await t.test('a Job that is deleted is told, and the sidecar serves it to the end', async (t) => {
    const script = `trap 'curl -sS -f -m 10 http://${CART}/farewell; exit 0' TERM; echo waits; while :; do sleep 0.1; done`
    const pod = await run('farewell', { containers: [shell('main', script)] })
    await pod.happened('main started')
    await pod.container('main').running.output.line(/waits/)
    await pod.delete()
    t.match(pod.container('main').running.output.stdout, /"url":"\/farewell"/)
    t.same(pod.container('main').exitCodes, [0])
    t.same(pod.turns.slice(-2), ['outrider SIGTERM', 'outrider ended 0'])
    await mesh.node.clear()
  })
}
