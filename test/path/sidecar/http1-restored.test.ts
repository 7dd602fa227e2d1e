import t, { type Test } from 'tap'
import { dial, type Peer, type RawApp, rawApp } from '../../fixtures/http.ts'
import { http2Client, sendHttp2 } from '../../fixtures/http2.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { type Pair, type PairOptions, startPair } from '../../fixtures/sidecar.ts'

checkLeaks(t)

/** Between the sidecars it is HTTP/2; on either side of them, what the client and the application write byte by byte. */
interface Way extends Pair {
  readonly app: RawApp
  /** A new connection of a client, with the first request sent on it. */
  ask(...parts: readonly string[]): Promise<Peer>
}

async function startWay(t: Test, options: PairOptions = {}): Promise<Way> {
  const app = await rawApp(t)
  const pair = await startPair(t, app.address, options)
  return { app, ...pair, ask: async (...parts) => (await dial(t, pair.web.outbound)).send(...parts) }
}

/** What has come to the application, without the fields that the sidecars add. */
function withoutOurs({ text }: Peer): string {
  return text.replace(/^(?:x-forwarded-client-cert|x-request-id|traceparent): .*\r\n/gm, '')
}

async function exchange(way: Way, request: string, response: string): Promise<{ sent: string; got: string }> {
  const client = await way.ask(request)
  const server = await way.app.accept()
  await server.until('\r\n\r\n')
  server.send(response)
  server.socket.end()
  await client.until('\r\n\r\n')
  return { sent: withoutOurs(server), got: client.text }
}

t.test('a request arrives in the version, the order and the repetitions in which it was sent', async (t) => {
  const { sent, got } = await exchange(
    await startWay(t),
    'GET /a%20b?c=d HTTP/1.1\r\nB: 1\r\nHost: API\r\nA: 2\r\nCookie: a=1\r\nB:  3\r\nEmpty:\r\nC: caf\xe9\r\nCookie: b=2\r\n\r\n',
    'HTTP/1.1 299 Anything\r\nZ: 1\r\nSet-Cookie: a\r\nY: caf\xe9\r\nSet-Cookie: b\r\nContent-Length: 0\r\nZ: 2\r\n\r\n',
  )
  // Names are in lower case, and several Cookie fields are one: HTTP/2 asks for both.
  const fields = 'b: 1\r\na: 2\r\ncookie: a=1; b=2\r\nb: 3\r\nempty: \r\nc: caf\xe9\r\n'
  t.equal(sent, `GET /a%20b?c=d HTTP/1.1\r\nhost: api\r\n${fields}\r\n`)
  t.equal(
    got,
    'HTTP/1.1 299 \r\nz: 1\r\nset-cookie: a\r\ny: caf\xe9\r\nset-cookie: b\r\nz: 2\r\ncontent-length: 0\r\n\r\n',
  )
})

t.test('bodies keep their framing, and trailers come behind them, both ways', async (t) => {
  const way = await startWay(t)
  const chunked = await way.ask(
    'POST / HTTP/1.1\r\nHost: api\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n',
    '5\r\nhello\r\n0\r\nx-sum: 5\r\nx-more: y\r\n\r\n',
  )
  const server = await way.app.accept()
  await server.until('0\r\nx-sum: 5\r\nx-more: y\r\n\r\n')
  const framing = 'connection: te\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n'
  t.equal(
    withoutOurs(server),
    `POST / HTTP/1.1\r\nhost: api\r\n${framing}5\r\nhello\r\n0\r\nx-sum: 5\r\nx-more: y\r\n\r\n`,
  )
  server.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-hash: z\r\n\r\n')
  await chunked.until('x-hash: z\r\n\r\n')
  t.equal(chunked.text, 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-hash: z\r\n\r\n')

  server.clear()
  const whole = await way.ask('PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: 5\r\n\r\nhello')
  await server.until('hello')
  t.equal(withoutOurs(server), 'PUT / HTTP/1.1\r\nhost: api\r\ncontent-length: 5\r\n\r\nhello')
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
  await whole.until('hi')
  t.equal(whole.text, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi')

  server.clear()
  const untilClose = await way.ask('POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\n\r\n')
  await server.until('\r\n\r\n')
  t.equal(withoutOurs(server), 'POST / HTTP/1.1\r\nhost: api\r\ncontent-length: 0\r\n\r\n')
  server.send('HTTP/1.1 200 OK\r\n\r\nuntil the end').socket.end()
  await untilClose.until('0\r\n\r\n')
  t.equal(untilClose.text, 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\n')
})

t.test('interim responses and Expect: 100-continue', async (t) => {
  const way = await startWay(t)
  const client = await way.ask('POST / HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
  const server = await way.app.accept()
  await server.until('\r\n\r\n')
  t.equal(withoutOurs(server), 'POST / HTTP/1.1\r\nhost: api\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n')
  server.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n')
  const interim = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n'
  await client.until(interim)
  t.equal(client.text, interim)
  server.clear()
  client.send('hello')
  await server.until('hello')
  server.send('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n')
  await client.until('content-length: 0\r\n\r\n')
  t.equal(client.text, `${interim}HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n`)

  server.clear()
  const refused = await way.ask('POST / HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
  await server.until('\r\n\r\n')
  server.send('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n')
  t.equal(
    await refused.all(),
    'HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
    'the body that was not asked for would be read as a request',
  )
})

t.test('responses without a body', async (t) => {
  const way = await startWay(t)
  const cases = [
    ['HEAD', '200 OK\r\nContent-Length: 1234', '200 OK\r\ncontent-length: 1234'],
    ['HEAD', '200 OK\r\nTransfer-Encoding: chunked', '200 OK'],
    ['GET', '204 No Content\r\nA: 1', '204 No Content\r\na: 1'],
    [
      'GET',
      '304 Not Modified\r\nETag: "x"\r\nContent-Length: 99',
      '304 Not Modified\r\netag: "x"\r\ncontent-length: 99',
    ],
    ['OPTIONS', '200 OK\r\nContent-Length: 0', '200 OK\r\ncontent-length: 0'],
  ] as const
  const client = await way.ask()
  let server: Peer | undefined
  for (const [method, response, arrives] of cases) {
    client.clear()
    client.send(`${method} / HTTP/1.1\r\nHost: api\r\n\r\n`)
    server ??= await way.app.accept()
    await server.until('\r\n\r\n')
    t.equal(withoutOurs(server), `${method} / HTTP/1.1\r\nhost: api\r\n\r\n`)
    server.clear()
    server.send(`HTTP/1.1 ${response}\r\n\r\n`)
    await client.until('\r\n\r\n')
    t.equal(client.text, `HTTP/1.1 ${arrives}\r\n\r\n`)
  }
  t.equal(way.app.peers.length, 1, 'and the connection to the application is used again')
  client.clear()
  client.send('OPTIONS * HTTP/1.1\r\nHost: api\r\n\r\n')
  await server!.until('\r\n\r\n')
  t.match(server!.text, /^OPTIONS \* HTTP\/1\.1\r\n/)
})

t.test('who closes which connection', async (t) => {
  const way = await startWay(t)
  const closing = await way.ask('GET /1 HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n')
  const first = await way.app.accept()
  await first.until('\r\n\r\n')
  t.notMatch(first.text, /connection:/, 'the client closes its own')
  first.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.equal(await closing.all(), 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')

  const staying = await way.ask('GET /2 HTTP/1.1\r\nHost: api\r\n\r\n')
  await first.until('GET /2')
  first.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
  await staying.until('\r\n\r\n')
  t.equal(staying.text, 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', 'the application closes its own')
  staying.clear()
  // Pipelined: answered one after the other.
  staying.send('GET /3 HTTP/1.1\r\nHost: api\r\n\r\nGET /4 HTTP/1.1\r\nHost: api\r\n\r\n')
  const second = await way.app.accept()
  await second.until('GET /3')
  t.notMatch(second.text, 'GET /4')
  second.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree')
  await second.until('GET /4')
  second.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour')
  await staying.until((text) => /three[^]*four$/.test(text))
})

t.test('a protocol that is no WebSocket is not changed to', async (t) => {
  const { sent } = await exchange(
    await startWay(t),
    'GET / HTTP/1.1\r\nHost: api\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  )
  t.equal(sent, 'GET / HTTP/1.1\r\nhost: api\r\n\r\n')
})

t.test('clients of HTTP/1.0', async (t) => {
  const way = await startWay(t)
  const client = await way.ask('GET / HTTP/1.0\r\nHost: api\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n')
  const server = await way.app.accept()
  await server.until('\r\n\r\n')
  t.equal(withoutOurs(server), 'GET / HTTP/1.1\r\nhost: api\r\n\r\n')
  server.send(
    'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n',
  )
  t.equal(await client.all(), 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhi', 'neither interim responses nor chunks')
  t.match(await way.web.records.take(), { protocol: 'HTTP/1.0', status: 200 })
  t.match(await way.api.records.take(), { protocol: 'HTTP/1.1', status: 200 })
})

t.test('what comes over HTTP/2 leaves as one HTTP/1.1 request', async (t) => {
  const way = await startWay(t, { api: { inbound: { protocol: 'http1' } } })
  const session = await http2Client(t, way.web.outbound)
  const reply = sendHttp2(
    session,
    { ':method': 'POST', ':path': '/x', cookie: ['a=1', 'b=2'], b: '1', a: ['2', '3'] },
    { body: 'hello', trailers: { 'x-sum': '5' } },
  )
  const server = await way.app.accept()
  await server.until('x-sum: 5\r\n\r\n')
  const fields = 'cookie: a=1; b=2\r\nb: 1\r\na: 2\r\na: 3\r\n'
  t.equal(
    withoutOurs(server),
    `POST /x HTTP/1.1\r\nhost: api\r\n${fields}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n`,
  )
  server.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nB: 1\r\n')
  server.send('Set-Cookie: a\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-hash: z\r\n\r\n')
  const { status, raw, text, trailers, informational } = await reply
  t.strictSame({ status, text, informational }, { status: 200, text: 'hi', informational: [103] })
  t.strictSame(raw, [':status', '200', 'b', '1', 'set-cookie', 'a', 'set-cookie', 'b'])
  t.match(trailers, { 'x-hash': 'z' })
  t.match(await way.api.records.take(), { protocol: 'HTTP/2', method: 'POST', status: 200 })
})
