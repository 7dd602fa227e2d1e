import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { keyUsageBits } from '../../../src/identity/extension.ts'
import { startApp } from '../../fixtures/app.ts'
import { makeTestCa, type TestLeaf } from '../../fixtures/ca.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  clientTls,
  idOf,
  policyOf,
  sendTls,
  startTestSidecar,
  type TestSidecarOptions,
  TRUST_DOMAIN,
  type Wire,
  wireTcp,
  wireTls,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

const FAILURES = 'outrider_tls_handshake_failures_total'
const REQUEST = 'GET / HTTP/1.1\r\nhost: api\r\n\r\n'
const WEB = '/ns/default/sa/web'
const HOUR_MS = 3_600_000

const ca = makeTestCa(TRUST_DOMAIN)
const stranger = makeTestCa(TRUST_DOMAIN)
const foreign = makeTestCa('foreign.example')
const intermediate = ca.intermediate()
const federated = makeTestCa('partner.example')
/** The roots of this mesh and of a partner, as a sidecar of this mesh has them. */
const bundles = new Map([...ca.bundles(), ...federated.bundles()])

const app = await startApp(t)
const options: TestSidecarOptions = {
  ca,
  id: '/ns/default/sa/api',
  bundles,
  policy: policyOf({ policies: [allow('all')] }),
  app: app.address,
}
const api = await startTestSidecar(t, options)

interface Hostile {
  readonly what: string
  readonly reason: string
  readonly leaf?: TestLeaf
  readonly options?: ConnectionOptions
}

const { keyCertSign, digitalSignature } = keyUsageBits
const hostile: readonly Hostile[] = [
  { what: 'no certificate', reason: 'no-certificate' },
  { what: 'a leaf of another root of the same name', reason: 'key-id-mismatch', leaf: stranger.issue(WEB) },
  { what: 'another trust domain with its own root', reason: 'trust-domain-unknown', leaf: foreign.issue(WEB) },
  {
    what: 'another trust domain under our root',
    reason: 'trust-domain-unknown',
    leaf: ca.issue('spiffe://foreign.example/ns/default/sa/web'),
  },
  {
    what: 'our trust domain under the root of a partner',
    reason: 'ca-foreign-id',
    leaf: federated.issue(idOf('web')),
  },
  {
    what: 'the trust domain of a partner under our root',
    reason: 'ca-foreign-id',
    leaf: ca.issue('spiffe://partner.example/ns/default/sa/web'),
  },
  { what: 'an expired leaf', reason: 'expired', leaf: ca.issue(WEB, { ttlMs: -1000 }) },
  {
    what: 'a leaf of tomorrow',
    reason: 'not-yet-valid',
    leaf: ca.issue(WEB, { notBeforeMs: Date.now() + HOUR_MS }),
  },
  {
    what: 'an expired intermediate',
    reason: 'expired',
    leaf: ca.intermediate({ notAfterMs: Date.now() - 1000 }).issue(WEB),
  },
  { what: 'two URI names', reason: 'leaf-many-uris', leaf: ca.issue(WEB, { uris: [idOf('web'), idOf('admin')] }) },
  { what: 'no names at all', reason: 'leaf-no-uri', leaf: ca.issue(WEB, { uris: [] }) },
  { what: 'a DNS name only', reason: 'leaf-no-uri', leaf: ca.issue(WEB, { uris: [], dnsNames: ['web.default'] }) },
  { what: 'a leaf that is a CA', reason: 'leaf-is-ca', leaf: ca.issue(WEB, { ca: true }) },
  {
    what: 'a leaf that may sign certificates',
    reason: 'leaf-key-cert-sign',
    leaf: ca.issue(WEB, { keyUsage: keyCertSign | digitalSignature }),
  },
  { what: 'an RSA leaf', reason: 'leaf-key-unsupported', leaf: ca.issue(WEB, { key: 'rsa2048' }) },
  {
    what: 'a URI that is no SPIFFE ID',
    reason: 'spiffe-id-scheme',
    leaf: ca.issue(WEB, { uris: ['https://test.local/web'] }),
  },
  {
    what: 'TLS 1.2',
    reason: 'version-unsupported',
    leaf: ca.issue(WEB),
    options: { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' },
  },
  {
    what: 'another application protocol',
    reason: 'no-application-protocol',
    leaf: ca.issue(WEB),
    options: { ALPNProtocols: ['spdy/3.1'] },
  },
]

for (const { what, reason, leaf, options: tls } of hostile) {
  t.test(`nothing is served to ${what}`, async (t) => {
    const own: ConnectionOptions = leaf === undefined ? { rejectUnauthorized: false } : clientTls(ca, leaf)
    await refused(t, reason, () => {
      const client = wireTls(t, api.inbound, { ...own, ...tls })
      // Written before the handshake, so that it leaves with its last message.
      client.socket.write(REQUEST)
      return client
    })
  })
}

for (const [what, bytes] of [
  ['plain HTTP', REQUEST],
  ['HTTP/2 in plain text', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
]) {
  t.test(`nothing is answered to ${what} on the TLS port`, (t) =>
    refused(t, 'not-tls', () => {
      const client = wireTcp(t, api.inbound)
      client.socket.write(bytes!)
      return client
    }),
  )
}

t.test('a handshake that does not end is cut', async (t) => {
  const impatient = await startTestSidecar(t, { ...options, config: { handshakeTimeoutMs: 100 } })
  await refused(t, 'handshake-timed-out', () => wireTcp(t, impatient.inbound), impatient)
})

t.test('a ClientHello that comes byte by byte does not get more time than another', async (t) => {
  const [near, far] = duplexPair()
  t.teardown(() => near.destroy())
  connectTls({ socket: near, ...clientTls(ca, ca.issue(WEB)) }).on('error', () => {})
  const [hello]: Buffer[] = await once(far, 'data')
  const impatient = await startTestSidecar(t, { ...options, config: { handshakeTimeoutMs: 200 } })
  let sent = 0
  await refused(
    t,
    'handshake-timed-out',
    () => {
      const client = wireTcp(t, impatient.inbound)
      const trickle = (): void => {
        // The last byte never comes.
        if (client.socket.destroyed || sent === hello!.length - 1) return
        sent += 1
        client.socket.write(hello!.subarray(sent - 1, sent), () => setImmediate(trickle))
      }
      client.socket.once('connect', trickle)
      return client
    },
    impatient,
  )
  t.ok(sent > 1)
})

t.test('a client that goes away in its handshake is counted', (t) =>
  refused(t, 'client-gone', () => {
    const client = wireTcp(t, api.inbound)
    client.socket.once('connect', () => client.socket.resetAndDestroy())
    return client
  }),
)

t.test('no TLS session is ever resumed', async (t) => {
  const options = clientTls(ca, intermediate.issue(WEB))
  const first = wireTls(t, api.inbound, options)
  const session = once(first.socket, 'session')
  first.socket.write(REQUEST)
  await first.match(/ok$/)
  // OpenSSL hands out tickets even where it is told not to: they must be good for nothing.
  const [ticket]: Buffer[] = await session
  const again = wireTls(t, api.inbound, { ...options, session: ticket })
  await once(again.socket, 'secureConnect')
  t.notOk(again.socket.isSessionReused())
  again.socket.write(REQUEST)
  await again.match(/ok$/)
})

t.test('the good client is served', async (t) => {
  const reply = await sendTls(api.inbound, ca, intermediate.issue(WEB))
  t.equal(reply.status, 200)
  t.match(app.seen.at(-1)?.headers['x-forwarded-client-cert'], `URI=${idOf('web')}`)
})

/** Reasons of those who were of this mesh, or will be. */
const timely: ReadonlySet<string> = new Set(['expired', 'not-yet-valid'])

async function refused(t: Test, reason: string, open: () => Wire, sidecar = api): Promise<void> {
  const labels = { listener: 'inbound', reason }
  const before = await sidecar.metric(FAILURES, labels)
  const asked = app.seen.length
  const client = open()
  const line = await sidecar.lines.take(
    ({ message }) => message === 'peer refused' || message === 'TLS handshake failed',
  )
  await client.closed
  // Who has shown an SVID may be told what is wrong with it, and nothing else. A stranger is told nothing.
  t.match(client.text, /^(?:HTTP\/1\.1 403 Forbidden\r\n[^]*\r\n\r\noutrider: ([a-z0-9-]+): [ -~]+\n)?$/)
  if (!timely.has(reason)) t.equal(client.text, '')
  else t.match(client.text, new RegExp(`\\r\\noutrider: ${reason}: `))
  t.match(line, { reason, remote: /^127\.0\.0\.1:\d+$/ })
  t.equal(await sidecar.metric(FAILURES, labels), before + 1)
  t.equal(app.seen.length, asked)
}
