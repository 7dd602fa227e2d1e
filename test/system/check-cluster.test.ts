// The check of a cluster before a real API server with a real injector; there is no kubelet, so that the test says how pods are.
import t, { type Test } from 'tap'
import type { Finding } from '../../src/installation/check/finding.ts'
import { fieldsOf, itemsOf } from '../../src/injector/pod.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { type Cluster, withApiServer } from '../fixtures/cluster.ts'
import { outrider } from '../fixtures/command-line.ts'
import { controllersOf } from '../fixtures/controllers.ts'
import { startTestInjector } from '../fixtures/injector.ts'
import { kubeconfigOf } from '../fixtures/kubeconfig.ts'
import { checkLeaks } from '../fixtures/leaks.ts'

checkLeaks(t)

const SYSTEM = 'outrider-system'

t.test('before a real API server', (t) => withApiServer(t, (cluster) => withCluster(t, cluster)))

async function withCluster(t: Test, cluster: Cluster): Promise<void> {
  const kubeconfig = kubeconfigOf(t, cluster)
  const controllers = controllersOf(cluster)
  const command = (...words: string[]) => outrider([...words, '--kubeconfig', kubeconfig], { clock: systemClock })
  const create = async (path: string, object: object): Promise<Record<string, unknown>> => {
    const { status, body } = await cluster.ask('POST', path, object)
    if (status !== 201) throw new Error(`${path}: ${status} ${JSON.stringify(body['message'])}`)
    return body
  }
  const findings = async (): Promise<{ code: number; of: (check: string) => Omit<Finding, 'check'> | undefined }> => {
    const { code, stdout, stderr } = await command('check', '-o', 'json')
    const list: Finding[] = JSON.parse(stdout === '' ? JSON.stringify([{ check: stderr }]) : stdout)
    return { code, of: (name) => list.find(({ check }) => check === name) }
  }
  const installed = await command('install', '--timeout=0')
  t.equal(installed.code, 0, installed.stderr)
  for (const name of ['outrider-control', 'outrider-injector']) await controllers.available(SYSTEM, name)
  const injector = await startTestInjector(
    t,
    {
      'service-name': 'localhost',
      'kubernetes-api': cluster.address,
      'kubernetes-ca-file': cluster.caFile,
      'kubernetes-api-token-file': cluster.tokenFile,
    },
    ['localhost'],
  )
  const port = injector.injector.address.split(':').at(-1)
  const ca = await caBundle(cluster)
  await pointTo(cluster, `https://localhost:${port}`)

  const namespace = async (name: string, labels = {}): Promise<void> => {
    await create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
    await controllers.namespaceContents(name)
  }
  const trust = (of: string): Promise<unknown> =>
    create(`/api/v1/namespaces/${of}/configmaps`, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'outrider-trust' },
      data: { 'bundle.pem': Buffer.from(ca, 'base64').toString() },
    })
  const pod = (of: string, name: string, more: object = {}): Promise<Record<string, unknown>> =>
    create(`/api/v1/namespaces/${of}/pods`, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { containers: [{ name: 'app', image: 'app:1', ports: [{ containerPort: 8080 }] }] },
      ...more,
    })
  const runs = async (of: string, name: string, sidecar = {}, capture = {}): Promise<void> => {
    const path = `/api/v1/namespaces/${of}/pods/${name}`
    const { body } = await cluster.ask('GET', path)
    const image = { image: 'outrider', imageID: 'outrider' }
    const ended = { terminated: { exitCode: 0, ...capture } }
    const initContainerStatuses = [
      { name: 'outrider-redirect', ready: true, restartCount: 0, state: ended, ...image },
      { name: 'outrider', ready: true, restartCount: 0, ...image, ...sidecar },
    ]
    await cluster.ask('PUT', `${path}/status`, { ...body, status: { phase: 'Running', initContainerStatuses } })
  }
  const service = async (of: string, name: string): Promise<void> => {
    await create(`/apis/discovery.k8s.io/v1/namespaces/${of}/endpointslices`, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', namespace: of, name } }],
    })
  }

  await t.test('all is well', async (t) => {
    await controllers.namespaceContents('default')
    await trust(SYSTEM)
    await namespace('shop', { 'outrider.mesh/inject': 'enabled' })
    await trust('shop')
    // An API server takes over a changed configuration within a second or so.
    let found = await findings()
    for (let tries = 0; found.of('injection')?.result !== 'ok' && tries < 100; tries += 1) found = await findings()
    t.match(found.of('injection'), { result: 'ok' })
    await pod('shop', 'cart')
    await runs('shop', 'cart')
    await service('shop', 'cart')
    const { code, stdout } = await command('check', '--cluster')
    t.equal(code, 0, stdout)
    t.notMatch(stdout, / (?:failed|warning) /)
    t.match(stdout, /^sidecars +ok +all of 1 pods are ready$/m)
    t.match(stdout, /^webhook for pods +ok +caBundle has the roots of the mesh$/m)
  })

  await t.test('what is wrong with pods, services and namespaces', async (t) => {
    await namespace('late')
    await pod('late', 'bare')
    await service('late', 'bare')
    await cluster.ask('PUT', '/api/v1/namespaces/late', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'late', labels: { 'outrider.mesh/inject': 'enabled' } },
    })
    await pod('shop', 'leave', { metadata: { name: 'leave', labels: { 'outrider.mesh/inject': 'disabled' } } })
    const made = await pod('shop', 'broken')
    const text = JSON.stringify({ spec: made['spec'], annotations: fieldsOf(made['metadata'])['annotations'] })
    await runs('shop', 'broken', { ready: false, restartCount: 9 }, { exitCode: 1, message: 'no NET_ADMIN' })
    const foreign = JSON.parse(
      text
        .replace('"audience":"outrider"', '"audience":"other"')
        .replaceAll('spiffe://outrider.local', 'spiffe://far.test'),
    )
    const { spec, annotations } = foreign
    const old = { ...annotations }
    old['outrider.mesh/injected'] = String(old['outrider.mesh/injected']).replace(
      /"outrider":"[^"]+"/,
      '"outrider":"0.0.9"',
    )
    await pod('shop', 'foreign', { metadata: { name: 'foreign', annotations: old }, spec })
    await runs('shop', 'foreign', { ready: false })

    const { code, of } = await findings()
    t.equal(code, 1)
    t.match(of('pods without sidecar'), { result: 'failed', detail: /^late\/bare are .*kubectl rollout restart$/ })
    t.match(of('trust bundles'), { result: 'failed', detail: /^late have no ConfigMap outrider-trust/ })
    t.match(of('services'), { result: 'warning', detail: /^late\/bare have no pod with a sidecar/ })
    t.match(of('capture'), {
      result: 'failed',
      detail: /^shop\/broken .*no NET_ADMIN.*kubectl logs -n shop broken -c outrider-redirect$/,
    })
    t.match(of('sidecars'), { result: 'failed', detail: /^shop\/foreign have a sidecar that is not ready/ })
    t.match(of('restarts'), { result: 'warning', detail: /^shop\/broken / })
    t.match(of('token audience'), { result: 'failed', detail: /^shop\/foreign .*"outrider"/ })
    t.match(of('trust domain'), {
      result: 'failed',
      detail: /^shop\/foreign ask for an identity outside of outrider\.local/,
    })
    t.match(of('sidecar versions'), { result: 'warning', detail: /^shop\/foreign \(0\.0\.9\) have not / })
  })

  await t.test('what is wrong with resources', async (t) => {
    const path = `/apis/outrider.mesh/v1/namespaces/${SYSTEM}/workloads/outrider-injector`
    const { body } = await cluster.ask('GET', path)
    const condition = {
      type: 'Accepted',
      status: 'False',
      reason: 'reference-missing',
      message: 'names what is not there',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 1,
    }
    const put = await cluster.ask('PUT', `${path}/status`, { ...body, status: { conditions: [condition] } })
    t.equal(put.status, 200, JSON.stringify(put.body['message']))
    const { of } = await findings()
    const detail = /^workloads outrider-system\/outrider-injector \(reference-missing\) are not taken/
    t.match(of('resources'), { result: 'failed', detail })
  })

  await t.test('an account that may see little is told so', async (t) => {
    const asked = await outrider(['check', '--kubeconfig', await poorKubeconfig(t, cluster), '-o', 'json'], {
      clock: systemClock,
    })
    t.equal(asked.code, 1, asked.stderr)
    const list: Finding[] = JSON.parse(asked.stdout)
    t.match(
      list.find(({ check }) => check === 'workloads'),
      {
        result: 'failed',
        detail: /was not examined: .*lacks the verb "list" on "namespaces"/,
      },
    )
  })

  await t.test('no injector: pods are refused', async (t) => {
    await injector.injector.drain()
    const { code, of } = await findings()
    t.equal(code, 1)
    t.match(of('injection'), { result: 'failed', detail: /is refused: .*kubectl get pods -n outrider-system$/ })
  })

  await t.test('roots that cannot be read are not taken for none', async (t) => {
    const path = `/api/v1/namespaces/${SYSTEM}/configmaps/outrider-trust`
    const { body } = await cluster.ask('GET', path)
    await cluster.ask('PUT', path, { ...body, data: { 'bundle.pem': 'no certificate' } })
    const { code, of } = await findings()
    t.equal(code, 1)
    t.match(of('webhook for pods'), { result: 'failed', detail: /^outrider-trust has no root; kubectl logs/ })
  })
}

/** Has the API server reach the injector by address: here is no network of pods. */
async function pointTo(cluster: Cluster, url: string): Promise<void> {
  for (const collection of ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations']) {
    const path = `/apis/admissionregistration.k8s.io/v1/${collection}/outrider-injector`
    const { body } = await cluster.ask('GET', path)
    const webhooks = itemsOf(body['webhooks']).map((hook) => {
      const { clientConfig, ...rest } = fieldsOf(hook)
      const { service, ...kept } = fieldsOf(clientConfig)
      return { ...rest, clientConfig: { ...kept, url: `${url}${String(fieldsOf(service)['path'])}` } }
    })
    const { status } = await cluster.ask('PUT', path, { ...body, webhooks })
    if (status !== 200) throw new Error(`${path}: ${status}`)
  }
}

/** What the injector has written there. */
async function caBundle(cluster: Cluster): Promise<string> {
  for (;;) {
    const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/outrider-injector'
    const { body } = await cluster.ask('GET', path)
    const bundle = fieldsOf(fieldsOf(itemsOf(body['webhooks'])[0])['clientConfig'])['caBundle']
    if (typeof bundle === 'string') return bundle
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
}

/** A service account without any role. */
async function poorKubeconfig(t: Test, cluster: Cluster): Promise<string> {
  const { body } = await cluster.ask('POST', '/api/v1/namespaces/default/serviceaccounts/default/token', {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {},
  })
  const token = fieldsOf(body['status'])['token']
  return kubeconfigOf(t, cluster, { token })
}
