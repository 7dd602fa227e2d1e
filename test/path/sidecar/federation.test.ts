import t from 'tap'
import type { SourceMatch } from '../../../src/policy/model.ts'
import { startApp } from '../../fixtures/app.ts'
import { makeTestCa, type TestLeaf } from '../../fixtures/ca.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  credentialsOf,
  deny,
  eventually,
  idOf,
  policyOf,
  sendTls,
  startTestSidecar,
  TRUST_DOMAIN,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

const FAILURES = 'outrider_tls_handshake_failures_total'
const PARTNER = 'partner.example'
const WEB = '/ns/default/sa/web'
const PARTNER_WEB = `spiffe://${PARTNER}${WEB}`

const ca = makeTestCa(TRUST_DOMAIN)
const partner = makeTestCa(PARTNER)
const third = makeTestCa('third.example')
const bundles = new Map([...ca.bundles(), ...partner.bundles(), ...third.bundles()])

const conditions: Readonly<Record<string, SourceMatch>> = {
  '/id': { spiffeIds: [PARTNER_WEB] },
  '/id-below': { spiffeIds: [`spiffe://${PARTNER}/ns/*`] },
  '/domain': { trustDomains: [PARTNER] },
  '/domain-and-namespace': { trustDomains: [PARTNER], namespaces: ['default'] },
  '/domain-and-other-namespace': { trustDomains: [PARTNER], namespaces: ['other'] },
  '/both-domains': { trustDomains: [PARTNER, TRUST_DOMAIN] },
  '/namespace': { namespaces: ['default'] },
  '/own-id': { spiffeIds: [idOf('web')] },
  '/own-domain': { trustDomains: [TRUST_DOMAIN] },
  '/refused': { trustDomains: [PARTNER, TRUST_DOMAIN] },
}

const app = await startApp(t)
const api = await startTestSidecar(t, {
  ca,
  id: '/ns/default/sa/api',
  bundles,
  app: app.address,
  policy: policyOf({
    policies: [
      allow(
        'all',
        ...Object.entries(conditions).map(([path, source]) => ({ from: [source], to: [{ paths: [path] }] })),
        { to: [{ paths: ['/anybody'] }] },
      ),
      deny('partner', { from: [{ trustDomains: [PARTNER] }], to: [{ paths: ['/refused'] }] }),
    ],
  }),
})

async function allowed(leaf: TestLeaf): Promise<readonly string[]> {
  const paths = [...Object.keys(conditions), '/anybody']
  const answers = await Promise.all(paths.map((path) => sendTls(api.inbound, ca, leaf, { path })))
  return paths.filter((_, index) => answers[index]!.status === 200)
}

t.test('a peer of a federated trust domain may do what names it', async (t) => {
  t.same(await allowed(partner.issue(WEB)), [
    '/id',
    '/id-below',
    '/domain',
    '/domain-and-namespace',
    '/both-domains',
    '/anybody',
  ])
})

t.test('a namespace alone is one of the own trust domain', async (t) => {
  t.same(await allowed(ca.issue(WEB)), [
    '/both-domains',
    '/namespace',
    '/own-id',
    '/own-domain',
    '/refused',
    '/anybody',
  ])
})

t.test('another federated trust domain gets nothing of this', async (t) => {
  t.same(await allowed(third.issue(WEB)), ['/anybody'])
})

t.test('each root speaks for its own trust domain, although TLS knows them all', async (t) => {
  const forged: readonly (readonly [string, TestLeaf])[] = [
    ['a partner that our root signed', ca.issue(PARTNER_WEB)],
    ['one of ours that the root of a partner signed', partner.issue(idOf('web'))],
    ['a partner that the root of another partner signed', third.issue(PARTNER_WEB)],
    ['one of ours by an intermediate of a partner', partner.intermediate().issue(idOf('web'))],
  ]
  // The first certificate that does not fit decides what is said: the leaf finds no root, or a root of another trust domain.
  const refusedSoFar = async (): Promise<number> =>
    (await api.metric(FAILURES, { reason: 'root-unknown' })) + (await api.metric(FAILURES, { reason: 'ca-foreign-id' }))
  const before = app.seen.length
  for (const [index, [what, leaf]] of forged.entries()) {
    await t.rejects(sendTls(api.inbound, ca, leaf, { path: '/anybody' }), what)
    await eventually(async () => (await refusedSoFar()) === index + 1, what)
  }
  t.equal(app.seen.length, before)
})

t.test('a trust domain whose bundle is gone is unknown at the next handshake', async (t) => {
  const less = new Map([...ca.bundles(), ...third.bundles()])
  api.credentials.set(credentialsOf(ca.issue('/ns/default/sa/api'), less))
  await t.rejects(sendTls(api.inbound, ca, partner.issue(WEB), { path: '/domain' }))
  await eventually(async () => (await api.metric(FAILURES, { reason: 'trust-domain-unknown' })) === 1, 'counted')
})
