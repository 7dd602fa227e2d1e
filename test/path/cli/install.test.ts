import t, { type Test } from 'tap'
import type { Finding } from '../../../src/installation/check/finding.ts'
import { readManifests } from '../../../src/installation/manifests.ts'
import { types } from '../../../src/installation/object-types.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { outrider, type Ran } from '../../fixtures/command-line.ts'
import { kubeconfigOf } from '../../fixtures/kubeconfig.ts'
import { startKubernetes, type TestKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

interface Cluster {
  readonly api: TestKubernetes
  readonly run: (...words: string[]) => Promise<Ran>
  /** Writes that were asked for, without dry runs. */
  readonly writes: () => readonly string[]
}

async function cluster(
  t: Test,
  version: object = { major: '1', minor: '34+', gitVersion: 'v1.34.4' },
): Promise<Cluster> {
  const api = await startKubernetes(t, { answer: (_, path) => (path === '/version' ? { body: version } : undefined) })
  for (const name of ['default', 'kube-system']) api.put(types.namespaces, { metadata: { name } })
  const kubeconfig = kubeconfigOf(t, api)
  return {
    api,
    run: (...words) => outrider([...words, '--kubeconfig', kubeconfig], { clock: systemClock }),
    writes: () =>
      api.asked
        .filter(({ method, path }) => method !== 'GET' && !path.includes('dryRun'))
        .map(({ method, path }) => `${method} ${path.replace(/\?.*/, '')}`),
  }
}

t.test('a cluster that is too old, or says nothing of its age, is left alone', async (t) => {
  for (const [version, code] of [
    [{ major: '1', minor: '28', gitVersion: 'v1.28.9' }, 'install-cluster-too-old'],
    [{ major: '0', minor: '99', gitVersion: 'v0.99.0' }, 'install-cluster-too-old'],
    [{}, 'install-cluster-version'],
    [{ major: 'x', minor: 'y' }, 'install-cluster-version'],
  ] as const) {
    const { run, writes } = await cluster(t, version)
    const ran = await run('install')
    t.equal(ran.code, 1)
    t.match(ran.stderr, `(${code})`)
    t.same(writes(), [])
  }
})

t.test('the order of the first installation', async (t) => {
  const { run, writes } = await cluster(t)
  const { code, stderr } = await run('install', '--timeout=0')
  t.equal(code, 0, stderr)
  const collections = writes().map((write) => write.split('/').at(-2))
  t.same(
    [...new Set(collections)],
    [
      'namespaces',
      'customresourcedefinitions',
      'serviceaccounts',
      'clusterroles',
      'clusterrolebindings',
      'roles',
      'rolebindings',
      'secrets',
      'networkpolicies',
      'services',
      'poddisruptionbudgets',
      'workloads',
      'deployments',
      'mutatingwebhookconfigurations',
      'validatingwebhookconfigurations',
    ],
  )
  t.equal(writes().length, readManifests().length, 'each once')
})

t.test('what the API server refuses is told, and an interrupted installation goes on', async (t) => {
  const { api, run, writes } = await cluster(t)
  const forbidden = api.fail({ method: 'PATCH', path: /clusterroles.*dryRun/, status: 403, reason: 'Forbidden' })
  const first = await run('install', '--timeout=0')
  t.equal(first.code, 1)
  t.match(first.stderr, /lacks the verb "patch" on "clusterroles".*\(kubernetes-forbidden\)/)
  t.same(writes(), [], 'known before the first change')
  forbidden()
  const broken = api.fail({ method: 'PATCH', path: /deployments\/outrider-injector\?(?!.*dryRun)/, status: 500 })
  const second = await run('install', '--timeout=0')
  t.equal(second.code, 1)
  t.match(second.stderr, /\(kubernetes-refused\)/)
  broken()
  const done = writes().length
  const third = await run('install', '--timeout=0')
  t.equal(third.code, 0, third.stderr)
  t.same(
    writes().slice(done),
    [
      'PATCH /apis/apps/v1/namespaces/outrider-system/deployments/outrider-injector',
      'PATCH /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/outrider-injector',
      'PATCH /apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/outrider-injector',
    ],
    'with what was missing',
  )
})

t.test('why it does not run is told in the words of kubelet and scheduler', async (t) => {
  const { api, run } = await cluster(t)
  await run('install', '--timeout=0')
  const labels = { 'app.kubernetes.io/name': 'outrider-control' }
  const waiting = { reason: 'ImagePullBackOff', message: 'Back-off pulling image "outrider:0.1.0"' }
  api.put(types.pods, {
    metadata: { name: 'outrider-control-1', namespace: 'outrider-system', labels },
    status: { containerStatuses: [{ name: 'control', state: { waiting } }] },
  })
  const pulled = await run('install', '--timeout=1ms')
  t.equal(pulled.code, 1)
  t.match(pulled.stderr, /outrider-control-1: ImagePullBackOff, Back-off pulling image.*\(install-timeout\)/)
  api.put(types.pods, {
    metadata: { name: 'outrider-control-1', namespace: 'outrider-system', labels },
    status: { conditions: [{ type: 'PodScheduled', status: 'False', message: '0/3 nodes are available' }] },
  })
  t.match((await run('install', '--timeout=1ms')).stderr, /cannot be scheduled: 0\/3 nodes are available/)
})

t.test('words that mean nothing are refused before anything is asked', async (t) => {
  const { api, run } = await cluster(t)
  for (const [word, message] of [
    ['--replicas=0', /--replicas/],
    ['--replicas=two', /--replicas/],
    ['--trust-domain=UPPER', /--trust-domain/],
    ['--image= x', /--image/],
    ['--mode=other', /redirect, tproxy, explicit/],
    ['--timeout=2h', /--timeout/],
  ] as const) {
    const { code, stderr } = await run('install', word)
    t.equal(code, 2, word)
    t.match(stderr, message)
  }
  t.match((await run('check', '--socket=/x')).stderr, /one of them \(usage-option-value\)/)
  t.equal((await run('install', '--context=other')).code, 2)
  t.same(api.asked, [])
})

t.test('nobody there', async (t) => {
  const { api, run } = await cluster(t)
  await api.stop()
  for (const command of ['install', 'uninstall', 'check']) {
    const { code, stderr } = await run(command)
    t.equal(code, 5, command)
    t.match(stderr, /\(kubernetes-unreachable\)/)
  }
})

t.test('a cluster with many pods: few are named, and none is forgotten', async (t) => {
  const { api, run } = await cluster(t)
  await run('install', '--timeout=0')
  api.put(types.namespaces, { metadata: { name: 'shop', labels: { 'outrider.mesh/inject': 'enabled' } } })
  for (let index = 0; index < 3000; index += 1)
    api.put(types.pods, {
      metadata: { name: `cart-${index}`, namespace: 'shop' },
      spec: { containers: [{ name: 'a' }] },
    })
  const { code, stdout } = await run('check', '-o', 'json')
  t.equal(code, 1)
  const findings: Finding[] = JSON.parse(stdout)
  t.match(
    findings.find(({ check }) => check === 'pods without sidecar'),
    {
      result: 'failed',
      detail: /^shop\/cart-0, shop\/cart-1, shop\/cart-10 and 2997 more are in labelled namespaces/,
    },
  )
  t.ok(stdout.length < 10_000)
  const pages = api.asked.filter(({ path }) => path.startsWith('/api/v1/pods?'))
  t.equal(pages.length, 6, 'pages of 500')
})
