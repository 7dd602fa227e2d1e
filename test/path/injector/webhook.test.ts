import { once } from 'node:events'
import t from 'tap'
import { INJECTED } from '../../../src/injector/names.ts'
import { fieldsOf } from '../../../src/injector/pod.ts'
import {
  type Answer,
  connectAsApiServer,
  podOfReplicaSet,
  podReview,
  SERVICE_NAME,
  startTestInjector,
  type TestInjector,
} from '../../fixtures/injector.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { applyPatch } from '../../fixtures/patched.ts'

checkLeaks(t)

interface Response {
  readonly uid: string
  readonly allowed: boolean
  readonly patchType?: string
  readonly patch?: string
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string }
}

function responseIn({ status, text }: Answer): Response {
  if (status !== 200) throw new Error(`${status}: ${text}`)
  return JSON.parse(text).response
}

/** Waits for a line of the log; each look lets sockets move. */
async function logged({ lines }: TestInjector, words: string, times = 1): Promise<void> {
  while (lines.filter((line) => line.includes(words)).length < times)
    await new Promise((resolve) => {
      setTimeout(resolve, 2)
    })
}

t.test('pods get their sidecar, and the API server believes us', async (t) => {
  const test = await startTestInjector(t)
  await logged(test, 'the webhook configurations have our roots')
  const pod = podOfReplicaSet()
  const answer = await test.ask('/inject?timeout=10s', JSON.stringify(podReview(pod)))
  const response = responseIn(answer)
  t.equal(response.uid, '705ab4f5-6393-11e8-b7cc-42010a800002')
  t.equal(response.allowed, true)
  t.equal(response.patchType, 'JSONPatch')
  const patched = fieldsOf(applyPatch(pod, JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString())))
  const record = fieldsOf(fieldsOf(fieldsOf(patched['metadata'])['annotations']))[INJECTED]
  t.match(JSON.parse(String(record)), { version: 1, mode: 'redirect', workload: 'cart' })
  t.match(patched['spec'], {
    initContainers: [{ name: 'outrider-redirect' }, { name: 'outrider', restartPolicy: 'Always' }],
    containers: [{ readinessProbe: { httpGet: { path: '/probe/http/8080/ready', port: 15_020, scheme: 'HTTP' } } }],
  })
  const again = responseIn(await test.ask('/inject', JSON.stringify(podReview(patched))))
  t.strictSame(again, { uid: response.uid, allowed: true }, 'a pod that has it is left alone')

  await t.test('who is not asked about, or does not want it', async (t) => {
    const asked = async (object: unknown, more = {}): Promise<Response> =>
      responseIn(await test.ask('/inject', JSON.stringify(podReview(object, more))))
    const disabled = { ...pod, metadata: { labels: { 'outrider.mesh/inject': 'disabled' } } }
    const mirror = { ...pod, metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }
    for (const response of [
      await asked(disabled),
      await asked(mirror),
      await asked(pod, { operation: 'UPDATE' }),
      await asked({}, { resource: { group: 'apps', version: 'v1', resource: 'deployments' } }),
    ]) {
      t.equal(response.allowed, true)
      t.equal(response.patch, undefined)
    }
  })

  await t.test('a pod that cannot be made safe is refused with all reasons', async (t) => {
    const unsafe = podOfReplicaSet({ hostNetwork: true, securityContext: { runAsUser: 15_400 } })
    const response = responseIn(await test.ask('/inject', JSON.stringify(podReview(unsafe))))
    t.equal(response.allowed, false)
    t.equal(response.patch, undefined)
    t.equal(response.status?.code, 422)
    t.match(response.status?.message, /spec\.hostNetwork: .*\(inject-host-network\)/)
    t.match(response.status?.message, /spec\.securityContext\.runAsUser: .*\(inject-uid-conflict\)/)
  })
})

t.test('resources of ours are checked as apply checks them', async (t) => {
  const test = await startTestInjector(t)
  await logged(test, 'the webhook configurations have our roots')
  const resource = { group: 'outrider.mesh', version: 'v1', resource: 'workloads' }
  const workload = (spec: object): object => ({
    apiVersion: 'outrider.mesh/v1',
    kind: 'Workload',
    metadata: {
      name: 'cart',
      namespace: 'shop',
      uid: 'f0b2ce61-7e77-4e2a-8d6b-6f6f6f6f6f6f',
      managedFields: [{ manager: 'kubectl' }],
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    },
    spec,
    status: { applied: 3 },
  })
  const asked = async (object: unknown, more = {}): Promise<Response> =>
    responseIn(await test.ask('/validate', JSON.stringify(podReview(object, { resource, ...more }))))
  t.equal((await asked(workload({ spiffeId: 'spiffe://test.local/ns/shop/cart' }))).allowed, true)
  const elsewhere = await asked(workload({ spiffeId: 'spiffe://test.local/ns/bank/cart' }))
  t.equal(elsewhere.allowed, false)
  t.match(elsewhere.status?.message, /spec\.spiffeId: .*identity-elsewhere/)
  const bad = workload({ spiffeId: 'https://cart', ttl: '1s', colour: 'red' })
  const refused = await asked(bad)
  t.equal(refused.allowed, false)
  t.match(refused.status?.message, /spec\.spiffeId: .*spec\.ttl: |spec\.colour/)
  t.equal((await asked(bad, { operation: 'DELETE' })).allowed, true, 'whatever it is, it may go')
})

t.test('what is no review gets a status, and the policy of the API server decides', async (t) => {
  const test = await startTestInjector(t, { 'max-review-bytes': '65536', 'review-timeout-ms': '300ms' })
  await logged(test, 'the webhook configurations have our roots')
  const good = podReview(podOfReplicaSet())
  const change = (more: object): string => JSON.stringify({ ...good, ...more })
  const bodies: Readonly<Record<string, string | Buffer>> = {
    'no JSON': '{',
    'no UTF-8': Buffer.of(0x22, 0xff, 0x22),
    'no object': '[]',
    'too deep': '['.repeat(60_000),
    'another version': change({ apiVersion: 'admission.k8s.io/v1beta1' }),
    'another kind': change({ kind: 'Pod' }),
    'no request': change({ request: null }),
    'no uid': change({ request: { ...fieldsOf(good['request']), uid: 7 } }),
    'no operation': change({ request: { ...fieldsOf(good['request']), operation: 'LOOK' } }),
    'no resource': change({ request: { ...fieldsOf(good['request']), resource: 'pods' } }),
  }
  for (const [what, body] of Object.entries(bodies)) {
    const { status, text } = await test.ask('/inject', body)
    t.equal(status, 400, what)
    t.match(text, /\(review-malformed\)/, what)
  }
  const pod = responseIn(
    await test.ask('/inject', change({ request: { ...fieldsOf(good['request']), object: 'pod' } })),
  )
  t.equal(pod.allowed, false, 'a review of what is no pod')
  const huge = await test.ask('/inject', Buffer.alloc(65_537, 0x20))
  t.equal(huge.status, 413)
  t.match(huge.text, /65536 bytes \(maxReviewBytes\)/)
  t.equal((await test.ask('/inject', '{}', { 'content-type': 'text/plain' })).status, 415)
  t.equal((await test.ask('/elsewhere', '{}')).status, 404)
  t.equal((await test.ask('/inject', '', {}, 'GET')).status, 405)

  const slow = await connectAsApiServer(test)
  slow.write('POST /inject HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{')
  const [answer] = await once(slow, 'data')
  t.match(String(answer), /^HTTP\/1\.1 408 /, 'a review that does not come')
  slow.destroy()
})

t.test('reviews that are being read are bounded together', async (t) => {
  const test = await startTestInjector(t, { 'max-held-bytes': '1048576', 'max-review-bytes': '1048576' })
  await logged(test, 'the webhook configurations have our roots')
  const waiting = await connectAsApiServer(test)
  const half = Buffer.alloc(700_000, 0x20)
  waiting.write('POST /inject HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 800000\r\n\r\n')
  await new Promise((resolve) => waiting.write(half, resolve))
  // What was written is in the kernel; it is held when the server has read it.
  let answer: Answer
  do answer = await test.ask('/inject', half)
  while (answer.status !== 503)
  t.match(answer.text, /1048576 bytes \(maxHeldBytes\)/)
  waiting.destroy()
  do answer = await test.ask('/inject', JSON.stringify(podReview(podOfReplicaSet())))
  while (answer.status !== 200)
  t.pass('what was held is free again')
})

t.test('the webhook configurations follow the roots of the mesh, and what others do to them is mended', async (t) => {
  const test = await startTestInjector(t, { 'failure-policy': 'ignore' })
  const { configurations, control, api } = test
  await logged(test, 'the webhook configurations have our roots')
  const mutating = configurations.get('mutatingwebhookconfigurations')
  t.same(
    mutating.map(({ failurePolicy }) => failurePolicy),
    ['Ignore', 'Ignore'],
  )
  t.equal(configurations.get('validatingwebhookconfigurations')[0]?.failurePolicy, undefined)
  t.ok(api.asked.every(({ authorization }) => authorization === `Bearer ${api.token}`))
  const certificates = (pem: string): number => pem.split('BEGIN CERTIFICATE').length - 1
  t.equal(certificates(test.rootsPem()), 1)

  configurations.set('validatingwebhookconfigurations', [{ name: 'resources.outrider.mesh', clientConfig: {} }])
  control.clock.advance(30_000)
  await logged(test, 'the webhook configurations have our roots', 2)
  t.ok(configurations.get('validatingwebhookconfigurations')[0]?.clientConfig.caBundle)

  await control.admin.prepareAuthority({})
  await logged(test, 'the webhook configurations have our roots', 3)
  t.equal(certificates(test.rootsPem()), 2, 'the next root is believed before it signs')
})

t.test('the certificate of the webhooks is replaced before it ends', async (t) => {
  const test = await startTestInjector(t, {}, [SERVICE_NAME], '20s')
  await logged(test, 'the webhook configurations have our roots')
  const before = await connectAsApiServer(test)
  const old = before.getPeerX509Certificate()?.serialNumber
  before.destroy()
  test.control.clock.advance(11_000)
  await logged(test, 'SVID renewed')
  const after = await connectAsApiServer(test)
  t.not(after.getPeerX509Certificate()?.serialNumber, old)
  t.equal(after.authorized, true)
  after.destroy()
})

t.test('not ready while the configurations cannot be changed', async (t) => {
  const test = await startTestInjector(t, { 'webhook-configuration': 'somebody-elses', health: '127.0.0.1:0' })
  await logged(test, 'the webhook configurations could not be changed')
  const kubelet = async (path: string): Promise<number> =>
    (await fetch(`http://${test.injector.health}${path}`, { headers: { connection: 'close' } })).status
  t.same([await kubelet('/ready'), await kubelet('/live'), await kubelet('/metrics')], [503, 200, 404])
  const admin = `http://${test.injector.admin}`
  const ready = await fetch(`${admin}/ready`)
  t.equal(ready.status, 503)
  t.match(await ready.text(), /there is no mutatingwebhookconfigurations\/somebody-elses/)
  t.match(
    await (await fetch(`${admin}/metrics`)).text(),
    /outrider_webhook_ca_bundle_updates_total\{result="failed"\} [1-9]/,
  )
})

t.test('a certificate without the name of the service is found out at the start', async (t) => {
  await t.rejects(startTestInjector(t, {}, []), {
    code: 'injector-name-missing',
    message: new RegExp(`spec\\.dnsNames: \\[${SERVICE_NAME}\\]`),
  })
})
