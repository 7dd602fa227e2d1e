import { createHmac } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { kubernetesAttestor } from '../../../../../src/control/identity/attest/kubernetes.ts'
import { KeySource, offlineReview } from '../../../../../src/control/identity/attest/kubernetes-jwks.ts'
import { parseSpiffeId } from '../../../../../src/identity/spiffe-id.ts'
import { TestClock } from '../../../../fixtures/clock.ts'
import { temporaryFolder } from '../../../../fixtures/control.ts'
import {
  AUDIENCE,
  claimsOf,
  type ClusterKey,
  clusterKey,
  ISSUER,
  POD_UID,
  signatureOf,
  tokenOf,
} from '../../../../fixtures/kubernetes.ts'
import { startKubernetes } from '../../../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../../../fixtures/leaks.ts'

checkLeaks(t)

const rsa = clusterKey('RS256', 'rsa')
const ec = clusterKey('ES256', 'ec')
const clock = new TestClock(Date.now())
const NOW = clock.now()
const claims = claimsOf('payments', 'api', NOW)

interface Bench {
  readonly attest: (token: string) => Promise<unknown>
  readonly file: string
}

function bench(t: Test, place?: string): Bench {
  const file = place ?? join(temporaryFolder(t), 'jwks.json')
  if (place === undefined) writeFileSync(file, JSON.stringify({ keys: [rsa.jwk, ec.jwk] }))
  const keys = new KeySource({ place: file, clock })
  const attestor = kubernetesAttestor(offlineReview({ issuer: ISSUER, audience: AUDIENCE, keys }), 10)
  const request = { csr: Buffer.alloc(0), wanted: parseSpiffeId('spiffe://a/b') }
  return {
    file,
    attest: async (token) => attestor.attest({ kind: 'kubernetes', token }, { ...request, nowMs: clock.now() }),
  }
}

t.test('a token of the cluster proves namespace, account, pod and node', async (t) => {
  const { attest } = bench(t)
  for (const key of [rsa, ec]) {
    t.strictSame(await attest(tokenOf(key, claims)), {
      source: `k8s:payments/api/${POD_UID}`,
      selectors: new Set([
        'k8s:ns:payments',
        'k8s:sa:api',
        'k8s:pod-name:api-0',
        `k8s:pod-uid:${POD_UID}`,
        'k8s:node-name:node-1',
      ]),
    })
  }
  const bare = { namespace: 'payments', serviceaccount: { name: 'api' } }
  t.match(await attest(tokenOf(ec, { ...claims, aud: AUDIENCE, 'kubernetes.io': bare })), {
    source: 'k8s:payments/api',
    selectors: new Set(['k8s:ns:payments', 'k8s:sa:api']),
  })
})

const stranger = clusterKey('ES256', 'ec')
const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const body = b64(claims)
const [head, , signature] = tokenOf(ec, claims).split('.')
const seconds = NOW / 1000

/** A token whose signature is HMAC with the public key as its secret. */
function confused(key: ClusterKey): string {
  const text = `${b64({ alg: 'HS256', kid: key.kid })}.${body}`
  return `${text}.${createHmac('sha256', JSON.stringify(key.jwk)).update(text).digest('base64url')}`
}

/** ECDSA in DER, as TLS has it and JWS has not. */
const forged: Readonly<Record<string, string>> = {
  'another audience': tokenOf(ec, { ...claims, aud: ['https://kubernetes.default.svc'] }),
  'no audience': tokenOf(ec, { ...claims, aud: undefined }),
  'an audience that begins alike': tokenOf(ec, { ...claims, aud: ['outrider-staging'] }),
  expired: tokenOf(ec, { ...claims, exp: seconds - 1 }),
  'expired at this moment': tokenOf(ec, { ...claims, exp: seconds }),
  'without an end': tokenOf(ec, { ...claims, exp: undefined }),
  'an end that is a text': tokenOf(ec, { ...claims, exp: '9999999999' }),
  'not valid yet': tokenOf(ec, { ...claims, nbf: seconds + 60 }),
  'another issuer': tokenOf(ec, { ...claims, iss: `${ISSUER}/` }),
  'alg none': `${b64({ alg: 'none', kid: 'ec' })}.${body}.`,
  'alg none, with a signature': `${b64({ alg: 'None', kid: 'ec' })}.${body}.${signature}`,
  'HMAC with the public key': confused(ec),
  'the algorithm of another key': tokenOf({ ...rsa, kid: 'ec' }, claims),
  'a key of somebody else under the same kid': tokenOf(stranger, claims),
  'an unknown kid': tokenOf({ ...ec, kid: 'other' }, claims),
  'no kid': tokenOf(ec, claims, { kid: undefined }),
  'a key that comes along (jwk)': tokenOf(stranger, claims, { jwk: stranger.jwk }),
  'a key at an address (jku)': tokenOf(stranger, claims, { jku: 'https://evil.example/keys' }),
  'a certificate that comes along (x5c)': tokenOf(ec, claims, { x5c: ['AA=='] }),
  'a member twice': `${head}.${Buffer.from(JSON.stringify(claims).replace('{', '{"sub":"system:serviceaccount:a:b",')).toString('base64url')}.${signature}`,
  'a critical extension': tokenOf(ec, claims, { crit: ['b64'], b64: false }),
  'a subject that is no service account': tokenOf(ec, { ...claims, sub: 'system:node:node-1' }),
  'a subject of another namespace than its claims': tokenOf(ec, {
    ...claims,
    sub: 'system:serviceaccount:kube-system:api',
  }),
  'a namespace with a colon in it': tokenOf(ec, { ...claims, sub: 'system:serviceaccount:pay:ments:api' }),
  'no claims of Kubernetes': tokenOf(ec, { ...claims, 'kubernetes.io': undefined }),
  'changed claims': `${head}.${b64({ ...claims, sub: 'system:serviceaccount:payments:root' })}.${signature}`,
  'a signature in DER': ((): string => {
    const text = `${head}.${body}`
    const raw = signatureOf(ec, text)
    return `${text}.${Buffer.concat([Buffer.of(0x30, 0x44, 2, 32), raw.subarray(0, 32), Buffer.of(2, 32), raw.subarray(32)]).toString('base64url')}`
  })(),
  'no signature': `${head}.${body}.`,
  'a signature of zeros': `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`,
  'two parts': `${head}.${body}`,
  'four parts': `${head}.${body}.${signature}.${signature}`,
  'padding in a part': `${head}.${body}.${signature}==`,
  'a line break in a part': `${head}\n.${body}.${signature}`,
  'JSON that is a list': `${b64([])}.${body}.${signature}`,
  'no JSON': `${Buffer.from('{').toString('base64url')}.${body}.${signature}`,
  empty: '',
  'far too long': `${head}.${'A'.repeat(20_000)}.${signature}`,
}

t.test(`${Object.keys(forged).length} tokens that are not good enough`, async (t) => {
  const { attest } = bench(t)
  for (const [what, token] of Object.entries(forged)) {
    await t.rejects(attest(token), { code: 'attestation-refused' }, what)
  }
  await attest(tokenOf(ec, claims))
})

t.test('new keys are found, without asking at every token', async (t) => {
  const { attest, file } = bench(t)
  await attest(tokenOf(ec, claims))
  const next = clusterKey('ES256', 'next')
  writeFileSync(file, JSON.stringify({ keys: [next.jwk] }))
  await t.rejects(attest(tokenOf(next, claims)), { code: 'attestation-refused' }, 'looked at a moment ago')
  clock.advance(10_000)
  await attest(tokenOf(next, claims))
  await t.rejects(attest(tokenOf(ec, claims)), { code: 'attestation-refused' }, 'the old key is gone')
})

t.test('keys that cannot be had', async (t) => {
  const { attest, file } = bench(t)
  await attest(tokenOf(ec, claimsOf('payments', 'api', clock.now())))
  rmSync(file)
  clock.advance(59 * 60_000)
  const late = tokenOf(ec, claimsOf('payments', 'api', clock.now()))
  await attest(late)
  clock.advance(60_000)
  await t.rejects(attest(late), { code: 'attestation-unavailable', retryable: true, message: /ENOENT/ })
  for (const text of [
    '{',
    '{}',
    '{"keys":[]}',
    '{"keys":[{"kty":"oct","kid":"a","k":"AA"}]}',
    `[${'1,'.repeat(200_000)}1]`,
  ]) {
    writeFileSync(file, text)
    clock.advance(10_000)
    await t.rejects(attest(late), { code: 'attestation-unavailable' }, text.slice(0, 40))
  }
})

t.test('keys over HTTPS', async (t) => {
  const api = await startKubernetes(t, { answer: () => ({ body: { keys: [ec.jwk] } }) })
  const fresh = (): string => tokenOf(ec, claimsOf('payments', 'api', clock.now()))
  const { caFile, tokenFile, address } = api
  const place = `https://${address}/openid/v1/jwks`
  const keys = new KeySource({ place, clock, caFile, tokenFile })
  const verify = offlineReview({ issuer: ISSUER, audience: AUDIENCE, keys })
  const answers = await Promise.all([1, 2, 3].map(() => verify(fresh(), clock.now())))
  t.match(answers[0], { namespace: 'payments', name: 'api' })
  t.match(api.asked, [{ path: '/openid/v1/jwks', authorization: `Bearer ${api.token}` }])
  t.equal(api.asked.length, 1, 'asked once for three at the same time')
  await t.rejects(bench(t, place).attest(fresh()), { code: 'attestation-unavailable' }, 'another certificate authority')
})
