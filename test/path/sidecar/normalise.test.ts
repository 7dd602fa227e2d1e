// What is decided on is what is forwarded: hosts and paths. The paths of Istio and Envoy are in test/conformance.
import { Agent } from 'node:http'
import t from 'tap'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { echoUpgrades } from '../../fixtures/app.ts'
import {
  allow,
  clientTls,
  deny,
  keptAgent,
  policyOf,
  send,
  startHop,
  wireTcp,
  wireTls,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

t.test('a host has one spelling for the application and the access log', async (t) => {
  const { api, app, ca } = await startHop(t)
  const client = wireTls(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  const cases: readonly [sent: string, host: string][] = [
    ['API.Shop', 'api.shop'],
    ['api.shop.', 'api.shop'],
    ['api.shop:80', 'api.shop'],
    ['api.shop.:8080', 'api.shop:8080'],
    ['[0:0::1]:8080', '[::1]:8080'],
  ]
  for (const [index, [sent, host]] of cases.entries()) {
    client.socket.write(`GET /${index} HTTP/1.1\r\nHost: ${sent}\r\n\r\n`)
    t.match(await api.records.take(), { status: 200, path: `/${index}`, authority: host }, sent)
    t.equal(app.seen[index]?.headers.host, host, sent)
  }
})

t.test('a request that names two hosts, or one by another spelling, is refused by the engine', async (t) => {
  const { api, app, ca } = await startHop(t)
  const refused = { 'Host: a\r\nHost: a': 'host-duplicate', 'Host: a,b': 'host-malformed', 'X: 1': 'host-missing' }
  for (const [fields, code] of Object.entries(refused)) {
    const client = wireTls(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
    client.socket.write(`GET / HTTP/1.1\r\n${fields}\r\n\r\n`)
    await client.match(new RegExp(`^HTTP/1.1 400 [^]*${code}: `))
  }
  t.strictSame(app.seen, [])
})

t.test("the caller's sidecar leaves paths to the listener that decides", async (t) => {
  const strict = await startHop(t)
  const lenient = await startHop(t, { api: { inbound: { normalise: 'none' } } })
  const paths = { '/a//../b\\%2f': 'path-backslash', '/a%2Fb': 'path-encoded-slash', '/..': 'path-above-root' }
  for (const [path, code] of Object.entries(paths)) {
    t.match(await send(strict.web.outbound, { path }), { status: 400, headers: { 'x-outrider-refusal': code } })
    t.match(await strict.api.records.take(), { path, status: 400, code })
    t.equal((await send(lenient.web.outbound, { path })).status, 200)
    t.match(await lenient.web.records.take(), { path, status: 200 })
    t.equal(lenient.app.seen.at(-1)?.target, path)
  }
  t.strictSame(strict.app.seen, [])
})

t.test('a fragment is refused in strict mode, and cut off in any other', async (t) => {
  const strict = await startHop(t)
  const lenient = await startHop(t, { api: { inbound: { normalise: 'base' } } })
  const ask = async ({ web }: typeof strict, pattern: RegExp): Promise<void> => {
    const client = wireTcp(t, web.outbound)
    client.socket.write('GET /a?b#/c HTTP/1.1\r\nHost: api\r\n\r\n')
    await client.match(pattern)
  }
  await ask(strict, /^HTTP\/1.1 400 [^]*target-malformed: /)
  await ask(lenient, /^HTTP\/1.1 200 /)
  t.equal(lenient.app.seen[0]?.target, '/a?b')
})

t.test('rules see the normal form in the mode of the port', async (t) => {
  const policy = { policies: [allow('all'), deny('admin', { to: [{ paths: ['/admin', '/admin/*'] }] })] }
  const spellings = ['/admin', '//admin/x', '/%61dmin', '/x/../admin', '/x%2f..%2fadmin', '/admin\\x', '/admin%5cx']
  const hop = await startHop(t, { policy, api: { inbound: { normalise: 'decode-and-merge-slashes' } } })
  const agent = keptAgent(t, new Agent({ keepAlive: true, maxSockets: 1 }))
  for (const path of spellings) t.equal((await send(hop.web.outbound, { path, agent })).status, 403, path)
  t.strictSame(hop.app.seen, [])
  hop.api.policy.set(policyOf({ policies: [allow('all')] }))
  for (const path of spellings) t.equal((await send(hop.web.outbound, { path, agent })).status, 200, path)
  t.ok(hop.app.seen.every(({ target }) => /^\/admin(\/x)?$/.test(target)))
})

t.test('a WebSocket is decided on and forwarded in the normal form, too', async (t) => {
  const hop = await startHop(t, { api: { inbound: { normalise: 'merge-slashes' } } })
  const targets: (string | undefined)[] = []
  echoUpgrades(hop.app)
  hop.app.server.on('upgrade', ({ url }) => targets.push(url))
  const client = wireTcp(t, hop.web.outbound)
  client.socket.write(
    'GET //chat/../room HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await client.match(/^HTTP\/1.1 (101|502) /)
  t.strictSame(targets, ['/room'])
  client.socket.destroy()
  t.match(await hop.api.records.take(), { path: '/room' })
})
