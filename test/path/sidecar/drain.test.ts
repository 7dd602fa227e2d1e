import t from 'tap'
import { echoUpgrades } from '../../fixtures/app.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { clientTls, eventually, send, startHop, wireTcp, wireTls } from '../../fixtures/sidecar.ts'

checkLeaks(t)

const REQUEST = 'GET / HTTP/1.1\r\nhost: api\r\n\r\n'

t.test('what is in flight finishes, what is idle closes, nobody new is let in', async (t) => {
  const { web, api, app, ca } = await startHop(t)
  const idle = wireTls(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  idle.socket.write(REQUEST)
  await idle.match(/ok$/)
  const arrived = Promise.withResolvers<() => void>()
  app.answer((_request, response) => arrived.resolve(() => response.end('late')))
  const reply = send(web.outbound)
  const finish = await arrived.promise
  const drained = api.drain(5000)
  await idle.closed
  const late = wireTcp(t, api.inbound)
  await late.closed
  t.equal(late.socket.bytesRead, 0)
  finish()
  t.match(await reply, { status: 200, text: 'late' })
  t.equal(await drained, true)
  for (const name of ['outrider_connections_active', 'outrider_upstream_connections_active'])
    await eventually(async () => (await api.metric(name)) === 0, `${name} falls to 0`)
  const refused = await send(web.outbound)
  t.equal(refused.headers['x-outrider-refusal'], 'upstream-unreachable')
})

t.test('what does not finish in time is cut, on both sides', async (t) => {
  const { web, api, app } = await startHop(t)
  const arrived = Promise.withResolvers<void>()
  app.answer(() => arrived.resolve())
  const reply = send(web.outbound)
  await arrived.promise
  t.equal(await api.drain(50), false)
  t.equal((await reply).headers['x-outrider-refusal'], 'upstream-gone')
  await eventually(() => app.sockets.size === 0, 'the application is left alone')
  t.equal(api.runtime.load.inFlight, 0)
})

t.test('a retired connection announces its end with the next response', async (t) => {
  const { web, api, ca } = await startHop(t)
  const before = wireTls(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  before.socket.write(REQUEST)
  await before.match(/ok$/)
  t.notMatch(before.text, /connection: close/i)
  api.runtime.connections.retire()
  before.socket.write(REQUEST)
  await before.match(/connection: close[^]*ok$/i)
  await before.closed

  const after = wireTls(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  after.socket.write(REQUEST)
  await after.match(/connection: close[^]*ok$/i)
  await after.closed
  // The sidecar at the other end takes the hint too.
  for (let round = 0; round < 3; round += 1) t.equal((await send(web.outbound)).status, 200)
})

t.test('a handshake that is under way does not outlive the drain', async (t) => {
  const { api } = await startHop(t, { api: { config: { handshakeTimeoutMs: 60_000 } } })
  const silent = wireTcp(t, api.inbound)
  await eventually(async () => (await api.metric('outrider_connections_active')) === 1, 'the connection is accepted')
  t.equal(await api.drain(5000), true)
  await silent.closed
})

t.test('a tunnel ends with the deadline', async (t) => {
  const { web, api, app } = await startHop(t)
  echoUpgrades(app)
  const client = wireTcp(t, web.outbound)
  client.socket.write('GET / HTTP/1.1\r\nhost: api\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nopen')
  await client.match(/open$/)
  t.equal(await web.drain(50), false)
  await client.closed
  await eventually(() => app.sockets.size === 0, 'the application learns of it')
  t.equal(api.runtime.load.inFlight, 0)
})
