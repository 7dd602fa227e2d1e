import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { startApp } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  clientTls,
  credentialsOf,
  eventually,
  idOf,
  policyOf,
  sendTls,
  startTestSidecar,
  type TestSidecar,
  TRUST_DOMAIN,
  wire,
  wireTcp,
  wireTls,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

const ca = makeTestCa(TRUST_DOMAIN)
const web = ca.issue('/ns/default/sa/web')

async function startApi(t: Test): Promise<TestSidecar> {
  const app = await startApp(t, ({ headers }, response) => void response.end(headers['x-forwarded-client-cert']))
  const policy = policyOf({ policies: [allow('all')] })
  return startTestSidecar(t, { ca, id: '/ns/default/sa/api', policy, app: app.address })
}

async function handshake(t: Test, api: TestSidecar): Promise<TLSSocket> {
  const { socket } = wireTls(t, api.inbound, clientTls(ca, web))
  await once(socket, 'secureConnect')
  return socket
}

t.test('TLS 1.3 with the SVID and its intermediates, and nothing else', async (t) => {
  const intermediate = ca.intermediate()
  const api = await startApi(t)
  api.credentials.set(credentialsOf(intermediate.issue('/ns/default/sa/api'), ca.bundles()))
  const socket = await handshake(t, api)
  t.equal(socket.getProtocol(), 'TLSv1.3')
  t.equal(socket.authorized, true, 'the chain verifies with the root alone')
  t.equal(socket.getPeerCertificate().subjectaltname, `URI:${idOf('api')}`)
  t.ok(socket.getPeerCertificate(true).issuerCertificate.raw.equals(intermediate.der))
})

t.test('a new SVID is shown from the next handshake on; connections that are open keep theirs', async (t) => {
  const api = await startApi(t)
  const before = await handshake(t, api)
  const first = before.getPeerX509Certificate()!.raw
  t.ok(first.equals(api.credentials.current.svid.chainDer[0]!))
  api.credentials.set(credentialsOf(ca.issue('/ns/default/sa/api'), ca.bundles()))
  const after = await handshake(t, api)
  t.ok(after.getPeerX509Certificate()!.raw.equals(api.credentials.current.svid.chainDer[0]!))
  t.equal(before.destroyed, false)
  await eventually(() => api.runtime.connections.list().length === 2, 'both are served')
})

t.test('a root that comes is believed, one that goes is not', async (t) => {
  const api = await startApi(t)
  const next = makeTestCa(TRUST_DOMAIN)
  const leaf = next.issue('/ns/default/sa/web')
  await t.rejects(sendTls(api.inbound, ca, leaf))
  const { svid, bundles } = api.credentials.current
  api.credentials.set({ svid, bundles: next.bundles() })
  t.match(await sendTls(api.inbound, ca, leaf), { status: 200, text: `URI=${idOf('web')}` })
  await t.rejects(sendTls(api.inbound, ca, web))
  api.credentials.set({ svid, bundles })
  t.equal((await sendTls(api.inbound, ca, web)).status, 200)
})

t.test('a root that goes during a handshake is not believed at its end', async (t) => {
  const api = await startApi(t)
  const { socket } = wireTcp(t, api.inbound)
  await eventually(async () => (await api.metric('outrider_connections_active')) === 1, 'the connection is accepted')
  const { svid } = api.credentials.current
  api.credentials.set({ svid, bundles: makeTestCa(TRUST_DOMAIN).bundles() })
  const client = wire(t, connect({ ...clientTls(ca, web), socket }))
  client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
  await client.closed
  t.equal(client.text, '')
  t.match(await api.lines.take(({ level }) => level === 'warn'), { message: 'peer refused' })
})
