import t from 'tap'
import { kubernetesAttestor, type ServiceAccount } from '../../../../../src/control/identity/attest/kubernetes.ts'
import { tokenReview } from '../../../../../src/control/identity/attest/kubernetes-review.ts'
import { parseSpiffeId } from '../../../../../src/identity/spiffe-id.ts'
import { TestClock } from '../../../../fixtures/clock.ts'
import { AUDIENCE, POD_UID } from '../../../../fixtures/kubernetes.ts'
import { startKubernetes, type TestKubernetes } from '../../../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../../../fixtures/leaks.ts'
import { until } from '../../../../fixtures/process.ts'

checkLeaks(t)

const clock = new TestClock(Date.now())
const request = { csr: Buffer.alloc(0), wanted: parseSpiffeId('spiffe://a/b'), nowMs: clock.now() }

const good = {
  authenticated: true,
  audiences: [AUDIENCE],
  user: {
    username: 'system:serviceaccount:payments:api',
    uid: POD_UID,
    groups: ['system:serviceaccounts'],
    extra: {
      'authentication.kubernetes.io/pod-name': ['api-0'],
      'authentication.kubernetes.io/pod-uid': [POD_UID],
      'authentication.kubernetes.io/node-name': ['node-1'],
    },
  },
}

type Place = Pick<TestKubernetes, 'address' | 'caFile' | 'tokenFile'>

function attestWith({ address, caFile, tokenFile }: Place, token = 'secret-token'): Promise<unknown> {
  const verify = tokenReview({ api: address, audience: AUDIENCE, caFile, tokenFile, clock })
  return Promise.resolve(kubernetesAttestor(verify, 2).attest({ kind: 'kubernetes', token }, request))
}

t.test('the API server is asked, with our token, for our audience', async (t) => {
  const api = await startKubernetes(t, { answer: () => ({ status: 201, body: { status: good } }) })
  t.strictSame(await attestWith(api), {
    source: `k8s:payments/api/${POD_UID}`,
    selectors: new Set([
      'k8s:ns:payments',
      'k8s:sa:api',
      'k8s:pod-name:api-0',
      `k8s:pod-uid:${POD_UID}`,
      'k8s:node-name:node-1',
    ]),
  })
  const asked = api.asked[0]!
  t.equal(asked.path, '/apis/authentication.k8s.io/v1/tokenreviews')
  t.equal(asked.authorization, `Bearer ${api.token}`)
  t.match(JSON.parse(asked.body), { kind: 'TokenReview', spec: { token: 'secret-token', audiences: [AUDIENCE] } })
})

t.test('a bound on how many wait together', async (t) => {
  const waiting = Promise.withResolvers<ServiceAccount>()
  const attestor = kubernetesAttestor(() => waiting.promise, 2)
  const attest = async (): Promise<unknown> => attestor.attest({ kind: 'kubernetes', token: 'x' }, request)
  const both = [attest(), attest()]
  await t.rejects(attest(), { code: 'attestation-unavailable', retryable: true, message: /^2 service-account tokens/ })
  waiting.resolve({ namespace: 'a', name: 'b' })
  t.match(await Promise.all(both), [{ source: 'k8s:a/b' }, { source: 'k8s:a/b' }])
  await attest()
})

t.test('answers that are no yes', async (t) => {
  const answers: readonly (readonly [string, unknown, string])[] = [
    ['refused', { status: { authenticated: false, error: 'expired' } }, 'attestation-refused'],
    ['a text in place of true', { status: { ...good, authenticated: 'true' } }, 'attestation-refused'],
    ['another audience', { status: { ...good, audiences: ['https://api'] } }, 'attestation-refused'],
    ['a server that knows no audiences', { status: { ...good, audiences: undefined } }, 'attestation-refused'],
    ['a user', { status: { ...good, user: { username: 'admin' } } }, 'attestation-refused'],
    ['no user', { status: { ...good, user: undefined } }, 'attestation-refused'],
    ['no status', { kind: 'TokenReview' }, 'attestation-unavailable'],
    ['no JSON', '<html>', 'attestation-unavailable'],
    ['an endless answer', 'x'.repeat(300_000), 'attestation-unavailable'],
  ]
  let next: unknown
  const api = await startKubernetes(t, { answer: () => ({ body: next }) })
  for (const [what, body, code] of answers) {
    next = body
    await t.rejects(attestWith(api), { code }, what)
  }
})

t.test('an API server that cannot be asked', async (t) => {
  const api = await startKubernetes(t, { answer: () => ({ status: 403, body: {} }) })
  await t.rejects(attestWith(api), { code: 'attestation-unavailable', retryable: true, message: /answers 403/ })
  const other = await startKubernetes(t)
  const { address, caFile, tokenFile } = api
  const place: Place = { address, caFile, tokenFile }
  await t.rejects(
    attestWith({ ...place, caFile: other.caFile }),
    { code: 'attestation-unavailable' },
    'not its certificate',
  )
  await t.rejects(attestWith({ ...place, address: '127.0.0.1:1' }), { message: /ECONNREFUSED/ })
  await t.rejects(attestWith({ ...place, tokenFile: '/nonexistent/token' }), { message: /ENOENT/ })
  const silent = await startKubernetes(t)
  silent.hang()
  const waiting = attestWith(silent).then(
    () => new Error('it was taken'),
    (thrown: Error) => thrown,
  )
  await until('the call', () => silent.asked.length === 1)
  clock.advance(5_000)
  const error: Error = await waiting
  t.match(error, { code: 'attestation-unavailable', message: /no answer within 5000 ms/ })
  t.notOk(error.message.includes('secret-token') || error.message.includes(silent.token))
})
