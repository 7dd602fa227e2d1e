import t from 'tap'
import { httpPath, nodeApp, rawApp, nextTurn } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

t.test('a connection carries one request after the other', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  for (const target of ['/one', '/two', '/three']) {
    client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
    await client.until(`GET ${target}`)
  }
  t.equal(path.upstreams.length, 1, 'and so does the one to the application')
  t.strictSame(
    app.requests.map(({ target }) => target),
    ['/one', '/two', '/three'],
  )
})

t.test('pipelined requests are answered in order, one at a time', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  let text = ''
  for (let index = 0; index < 20; index += 1) {
    text +=
      index % 2 === 0
        ? `GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`
        : `POST /${index} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
  }
  client.send(text)
  await client.until('POST /19')
  const answered = [...client.text.matchAll(/(?:GET|POST) \/(\d+)/g)].map(([, index]) => Number(index))
  t.strictSame(answered, [...answered.keys()])
  t.equal(app.requests.length, 20)
  t.equal(path.upstreams.length, 1, 'the next one begins when the one before has ended')
})

t.test('a body that had to wait for a connection does not leave the client unread', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  client.send('POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
  await client.until('POST /one')
  client.send('POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nworld')
  await client.until('POST /two')
  t.strictSame(
    app.requests.map(({ body }) => body.toString()),
    ['hello', 'world'],
  )
})

t.test('a refusal at once, of a request that is complete, keeps the connection', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app, {
    decide: (request) => (request.head.target === '/no' ? request.refuse(403) : request.forward()),
  })
  const client = await path.client()
  client.send('GET /no HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('refused 403\n')
  t.notMatch(client.text, /connection: close/i)
  client.send('GET /yes HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('GET /yes')
  t.equal(path.connections.length, 1)
  t.equal(app.requests.length, 1)
})

t.test('a refusal before the body has come closes, and says so', async (t) => {
  const path = await httpPath(t, await nodeApp(t), { decide: (request) => request.refuse(403) })
  const text = await path.exchange('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab')
  t.match(text, /^HTTP\/1\.1 403 Forbidden\r\n[^]*connection: close\r\n[^]*refused 403\n$/)
})

t.test('an upstream connection that was paused for a slow client is read again for its next request', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const slow = await path.client()
  slow.socket.pause()
  slow.send(GET)
  const upstream = await app.accept()
  await upstream.until('\r\n\r\n')
  const size = 20 * 1024 * 1024
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`, Buffer.alloc(size, 'x'))
  const { over } = await path.arrival()
  slow.socket.resume()
  await over
  await slow.until((text) => text.length > size)
  upstream.clear()
  slow.clear()
  slow.send('GET /again HTTP/1.1\r\nHost: a\r\n\r\n')
  await upstream.until('\r\n\r\n')
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain')
  await slow.until('again')
  t.equal(path.upstreams.length, 1)
})

t.test(
  'maxRequestsPerConnection: the last response says close, what is pipelined behind it is not served',
  async (t) => {
    const app = await nodeApp(t)
    const path = await httpPath(t, app, { limits: { maxRequestsPerConnection: 2 } })
    const text = await path.exchange(GET + GET + GET)
    t.equal(text.match(/HTTP\/1\.1 200/g)?.length, 2)
    t.equal(text.match(/connection: close/g)?.length, 1)
    t.equal(app.requests.length, 2)
  },
)

t.test('Connection: close is obeyed', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app)
  const text = await path.exchange(`GET /1 HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n${GET}`)
  t.match(text, /connection: close\r\n/)
  t.equal(app.requests.length, 1)
  t.equal(path.upstreams.length, 1)
  t.equal(path.upstreams[0]!.room, 1, 'the connection to the application stays')
})

t.test('an application that closes gets a new connection for the next request', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  for (const closing of ['Connection: close\r\n', '']) {
    client.clear()
    client.send(GET)
    const upstream = await app.accept()
    await upstream.until('\r\n\r\n')
    upstream.send(`HTTP/1.1 200 OK\r\n${closing}Content-Length: 2\r\n\r\nok`)
    await client.until('\r\n\r\nok')
    if (closing === '') upstream.socket.end()
    await upstream.end
  }
  client.clear()
  client.send(GET)
  await (await app.accept()).until('\r\n\r\n')
  t.equal(app.peers.length, 3)
})

t.test('bytes that nobody asked for end an idle upstream connection', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  client.send(GET)
  const upstream = await app.accept()
  await upstream.until('\r\n\r\n')
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  await client.until('\r\n\r\nok')
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison')
  await upstream.end
  t.strictSame(path.upstreamFaults, ['response-unexpected'])
  client.send(GET)
  const next = await app.accept()
  await next.until('\r\n\r\n')
  next.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  await client.until((text) => text.match(/\r\n\r\nok/g)?.length === 2)
  t.notMatch(client.text, 'poison')
})

t.test('retire: one more request; close: between requests at once; destroy: in the middle', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

  const retired = await path.client()
  await retired
    .send(GET)
    .until('')
    .then(() => path.arrival())
  const upstream = await app.accept()
  await upstream.until('\r\n\r\n')
  upstream.send(answer)
  await retired.until('ok')
  path.connections[0]!.retire()
  t.ok(path.connections[0]!.idle)
  retired.clear()
  retired.send(GET)
  await path.arrival()
  await upstream.until((text) => text.split('\r\n\r\n').length === 3)
  upstream.send(answer)
  t.match(await retired.all(), /connection: close\r\n\r\nok$/)

  const late = await path.client()
  late.send(GET)
  await path.arrival()
  await upstream.until((text) => text.split('\r\n\r\n').length === 4)
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no')
  await late.until('\r\n\r\no')
  path.connections[1]!.retire()
  upstream.send('k')
  await late.until('ok')
  await nextTurn()
  late.clear()
  late.send(GET)
  await path.arrival()
  await upstream.until((text) => text.split('\r\n\r\n').length === 5)
  upstream.send(answer)
  t.match(
    await late.all(),
    /connection: close\r\n\r\nok$/,
    'retired in the middle of a response that did not say close',
  )

  const closed = await path.client()
  closed.send(GET)
  await path.arrival()
  await upstream.until((text) => text.split('\r\n\r\n').length === 6)
  path.connections[2]!.close()
  upstream.send(answer)
  t.match(await closed.all(), /connection: close\r\n\r\nok$/, 'the exchange under way is finished')

  const idle = await path.client()
  idle.send(GET)
  await path.arrival()
  await upstream.until((text) => text.split('\r\n\r\n').length === 7)
  upstream.send(answer)
  await idle.until('ok')
  path.connections[3]!.close()
  t.equal(await idle.end, 'ended')

  const destroyed = await path.client()
  destroyed.send(GET)
  const request = await path.arrival()
  path.connections[4]!.destroy()
  await destroyed.end
  await request.over
  t.equal(request.finished[0]?.code, 'client-gone')
  t.equal(destroyed.text, '')
})
