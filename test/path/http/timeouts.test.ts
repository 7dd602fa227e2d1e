import t from 'tap'
import { httpPath, nodeApp, nextTurn, rawApp, testLimits } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
/** Deadlines are this coarse: two periods of the sweep. */
const SLACK_MS = 1000
const { headTimeoutMs, requestIdleTimeoutMs, connectionIdleTimeoutMs } = testLimits

t.test('a head that does not come to its end', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app)
  for (const start of ['', 'GET / HTTP/1.1\r\nHost: a\r\n']) {
    const client = await path.client()
    client.send(start)
    await nextTurn()
    path.clock.advance(headTimeoutMs - 1)
    client.send(start === '' ? '' : 'X: 1\r\n')
    t.equal(client.text, '', 'not before its time')
    path.clock.advance(1 + SLACK_MS)
    t.match(await client.all(), /^HTTP\/1\.1 408 [^]*head-timed-out/)
    client.socket.end()
    await path.closing()
  }
  t.equal(app.requests.length, 0)
})

t.test('after a long time without any connection, a new one has its full time', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app)
  path.clock.advance(60 * 60 * 1000)
  const client = await path.client()
  await nextTurn()
  path.clock.advance(headTimeoutMs - 1)
  client.send(GET)
  await client.until('GET /')
  t.strictSame(path.serverFaults, [])
})

t.test('a request body that stops', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc')
  const upstream = await app.accept()
  await upstream.until('abc')
  path.clock.advance(requestIdleTimeoutMs - 1)
  client.send('d')
  await upstream.until('abcd')
  path.clock.advance(requestIdleTimeoutMs - 1)
  t.equal(client.text, '', 'each byte begins the time anew')
  path.clock.advance(1 + SLACK_MS)
  t.match(await client.all(), /^HTTP\/1\.1 (408 [^]*request-timed-out|504 )/)
  await upstream.end
})

t.test('an application that does not answer: 504 of the upstream side', async (t) => {
  const app = await rawApp(t)
  for (const upgrade of ['', 'Connection: upgrade\r\nUpgrade: websocket\r\n']) {
    const path = await httpPath(t, app)
    const client = await path.client()
    client.send(`GET / HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`)
    const upstream = await app.accept()
    await upstream.until('\r\n\r\n')
    path.clock.advance(requestIdleTimeoutMs + SLACK_MS)
    await upstream.end
    await client.until('refused 504\n')
    const { upstreamFaults } = await path.arrival()
    t.strictSame(
      upstreamFaults.map(({ code, replay }) => [code, replay]),
      [['timed-out', 'never']],
    )
    await path.close()
  }
})

t.test('a response that stops is cut', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  client.send(GET)
  const upstream = await app.accept()
  await upstream.until('\r\n\r\n')
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc')
  await client.until('abc')
  path.clock.advance(requestIdleTimeoutMs + SLACK_MS)
  t.equal(await client.end, 'reset')
  await upstream.end
  const { over, finished } = await path.arrival()
  await over
  t.equal(finished.length, 1)
})

t.test('idle connections end without a word, on both sides', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  client.send(GET)
  const upstream = await app.accept()
  await upstream.until('\r\n\r\n')
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  await client.until('ok')
  client.clear()
  path.clock.advance(connectionIdleTimeoutMs - 1)
  t.equal(path.upstreams[0]!.room, 1)
  path.clock.advance(1 + SLACK_MS)
  t.strictSame([await client.all(), await upstream.end], ['', 'ended'])
  t.equal(path.upstreams[0]!.room, 0)
  t.strictSame(path.serverFaults, [])
})

t.test('after the last response: a client that stays is cut, one that sends on is read for a while', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app)
  const stays = await path.client()
  stays.send('nonsense\r\n\r\n')
  t.match(await stays.all(), /method-malformed|request-line-malformed/)
  await nextTurn()
  path.clock.advance(1000 + SLACK_MS)
  await path.closing()
  stays.socket.destroy()

  const sends = await path.client()
  sends.send('nonsense\r\n\r\n', Buffer.alloc(512 * 1024, 'x'))
  t.match(await sends.all(), /request-line-malformed/, 'it gets to read why')
  sends.send(Buffer.alloc(8 * 1024 * 1024, 'x'))
  await path.closing()
  t.equal(app.requests.length, 0)
})
