// On a port that declares no protocol, what was not recognised as HTTP reached an HTTP application as raw bytes: with an identity
// that the client made up, and past every limit on paths.
import t from 'tap'
import { startApp } from '../fixtures/app.ts'
import { makeTestCa } from '../fixtures/ca.ts'
import { dial, Peer } from '../fixtures/http.ts'
import { http2Client } from '../fixtures/http2.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { allow, clientTls, policyOf, startPair, startTestSidecar, TRUST_DOMAIN } from '../fixtures/sidecar.ts'

checkLeaks(t)

const FORGED =
  'GET /limited HTTP/1.1\r\nHost: api\r\nX-Forwarded-Client-Cert: URI=spiffe://test.local/ns/x/sa/admin\r\n\r\n'
/** node:http skips empty lines before a request, and we take one that begins so for no HTTP. */
const DISGUISED = `\r\n\r\n${FORGED}`

t.test('without TLS', async (t) => {
  const app = await startApp(t)
  for (const mode of ['permissive', 'plaintext'] as const) {
    const policy = policyOf({ policies: [allow('all')] })
    const ca = makeTestCa(TRUST_DOMAIN)
    const api = await startTestSidecar(t, { ca, id: '/ns/default/sa/api', policy, app: app.address, inbound: { mode } })
    const client = await dial(t, api.inbound)
    client.send(DISGUISED)
    t.equal(await client.end, 'reset')
    t.equal(client.text, '')
    t.match(await api.records.take(), { protocol: 'TCP', status: 501, code: 'protocol-mismatch' })
  }
  t.same(app.seen, [])
})

t.test('through a listener for the service', async (t) => {
  const app = await startApp(t)
  const { web, api } = await startPair(t, app.address)
  const client = await dial(t, web.services[0]!)
  client.send(DISGUISED)
  t.equal(await client.end, 'reset')
  t.match(await api.records.take(), { protocol: 'TCP', status: 501, code: 'protocol-mismatch' })
  t.same(app.seen, [])
})

t.test('by a CONNECT of a peer', async (t) => {
  const app = await startApp(t)
  const { api, ca } = await startPair(t, app.address)
  const session = await http2Client(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'api' }, { endStream: false })
  const client = new Peer(stream)
  client.send(FORGED)
  const [status] = await new Promise<[unknown]>((resolve) => {
    stream.once('response', (headers) => resolve([headers[':status']]))
  })
  t.equal(status, 501)
  await client.end
  t.same(app.seen, [])
})
