import { request as httpRequest } from 'node:http'
import { once } from 'node:events'
import t from 'tap'
import { httpPath, nodeApp, rawApp } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

t.test('every method, without a body, with a length, with chunks and trailers', async (t) => {
  const app = await nodeApp(t, (request, response) => {
    request.resume().on('end', () => response.end(`${request.method} seen`))
  })
  const path = await httpPath(t, app)
  const client = await path.client()
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']
  const bodies = [
    { head: '', body: '', sent: '', trailers: [] },
    { head: 'Content-Length: 5\r\n', body: 'hello', sent: 'hello', trailers: [] },
    {
      head: 'Transfer-Encoding: chunked\r\n',
      body: 'hello',
      sent: '2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 7\r\n\r\n',
      trailers: ['x-sum', '7'],
    },
  ]
  for (const method of methods) {
    for (const { head, body, sent, trailers } of bodies) {
      client.clear()
      client.send(`${method} /p?q HTTP/1.1\r\nHost: a\r\nX-Case: Value\r\n${head}\r\n${sent}`)
      await client.until(method === 'HEAD' ? '\r\n\r\n' : `${method} seen`)
      const seen = app.requests.at(-1)
      t.match(client.text, /^HTTP\/1\.1 200 OK\r\n/)
      t.strictSame(
        [seen?.method, seen?.target, seen?.body.toString(), seen?.trailers],
        [method, '/p?q', body, trailers],
        `${method} ${head}`,
      )
      t.strictSame(seen?.headers.slice(0, 4), ['host', 'a', 'x-case', 'Value'])
    }
  }
  t.equal(app.requests.length, methods.length * bodies.length)
  t.equal(path.upstreams.length, 1, 'one connection carried all')
})

/** Sends `request`, lets the application answer with `response`, and returns what the client has when `end` came. */
async function answered(
  t: Parameters<typeof rawApp>[0],
  request: string,
  response: string,
  end: string,
  closes = false,
): Promise<{ text: string; reused: boolean }> {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  client.send(request)
  const upstream = await app.accept()
  await upstream.until('\r\n\r\n')
  upstream.send(response)
  if (closes) upstream.socket.end()
  await client.until(end)
  const { text } = client
  const { over } = await path.arrival()
  await over
  const reused = path.upstreams[0]!.room === 1
  await path.close()
  return { text, reused }
}

t.test('responses, byte for byte', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const chunkedHead = `${ok}transfer-encoding: chunked\r\n\r\n`
  const HEAD = GET.replace('GET', 'HEAD')
  const GET10 = GET.replace('1.1', '1.0')
  const cases: readonly [name: string, request: string, response: string, expected: string, reused: boolean][] = [
    ['length', GET, `${ok}Content-Length: 2\r\nX: 1\r\n\r\nok`, `${ok}x: 1\r\ncontent-length: 2\r\n\r\nok`, true],
    ['length 0', GET, `${ok}Content-Length: 0\r\n\r\n`, `${ok}content-length: 0\r\n\r\n`, true],
    [
      'chunks',
      GET,
      `${ok}Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n`,
      `${chunkedHead}2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n`,
      true,
    ],
    ['HEAD with length', HEAD, `${ok}Content-Length: 99\r\n\r\n`, `${ok}content-length: 99\r\n\r\n`, true],
    ['HEAD with chunks', HEAD, `${ok}Transfer-Encoding: chunked\r\n\r\n`, `${ok}\r\n`, true],
    ['HEAD without either', HEAD, `${ok}\r\n`, `${ok}\r\n`, true],
    ['204', GET, 'HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.1 204 No Content\r\n\r\n', true],
    [
      '204 with length 0',
      GET,
      'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 204 No Content\r\n\r\n',
      true,
    ],
    [
      '204 with a length',
      GET,
      'HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n',
      'HTTP/1.1 204 No Content\r\n\r\n',
      false,
    ],
    [
      '304',
      GET,
      'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
      'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n',
      true,
    ],
    [
      '304 with length',
      GET,
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n',
      'HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n',
      true,
    ],
    [
      'own reason',
      GET,
      'HTTP/1.1 200 Fine, thanks\r\nContent-Length: 0\r\n\r\n',
      `${ok}content-length: 0\r\n\r\n`,
      true,
    ],
    ['no reason', GET, 'HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 599 \r\ncontent-length: 0\r\n\r\n', true],
    [
      'hop-by-hop',
      GET,
      `${ok}Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2\r\nContent-Length: 0\r\n\r\n`,
      `${ok}content-length: 0\r\n\r\n`,
      true,
    ],
    ['close', GET, `${ok}Connection: close\r\nContent-Length: 2\r\n\r\nok`, `${ok}content-length: 2\r\n\r\nok`, false],
    ['HTTP/1.0', GET, 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', `${ok}content-length: 2\r\n\r\nok`, false],
    [
      '100 and 103',
      GET,
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}Content-Length: 2\r\n\r\nok`,
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${ok}content-length: 2\r\n\r\nok`,
      true,
    ],
    [
      '103 to HTTP/1.0',
      GET10,
      `HTTP/1.1 103 Early Hints\r\n\r\n${ok}Content-Length: 2\r\n\r\nok`,
      `${ok}content-length: 2\r\nconnection: close\r\n\r\nok`,
      true,
    ],
    [
      'length to HTTP/1.0',
      GET10,
      `${ok}Content-Length: 2\r\n\r\nok`,
      `${ok}content-length: 2\r\nconnection: close\r\n\r\nok`,
      true,
    ],
    [
      'chunks to HTTP/1.0',
      GET10,
      `${ok}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: 1\r\n\r\n`,
      `${ok}connection: close\r\n\r\nok`,
      true,
    ],
    ['more than the length', GET, `${ok}Content-Length: 2\r\n\r\nokmore`, `${ok}content-length: 2\r\n\r\nok`, false],
    ['a body of HEAD', HEAD, `${ok}Content-Length: 2\r\n\r\nok`, `${ok}content-length: 2\r\n\r\n`, false],
    [
      'a second response',
      GET,
      `${ok}Content-Length: 2\r\n\r\nok${ok}Content-Length: 2\r\n\r\nno`,
      `${ok}content-length: 2\r\n\r\nok`,
      false,
    ],
  ]
  for (const [name, request, response, expected, reused] of cases) {
    t.strictSame(await answered(t, request, response, expected), { text: expected, reused }, name)
  }
  t.strictSame(
    await answered(t, GET, `${ok}\r\nsome`, '0\r\n\r\n', true),
    { text: `${chunkedHead}4\r\nsome\r\n0\r\n\r\n`, reused: false },
    'a body that ends with its connection becomes chunks',
  )
  t.strictSame(
    await answered(t, GET10, `${ok}\r\nsome`, 'some', true),
    { text: `${ok}connection: close\r\n\r\nsome`, reused: false },
    'and for HTTP/1.0 it ends with the connection',
  )
})

t.test('malformed responses: 502 once, and the upstream connection is closed', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const cases: readonly [response: string, code: string][] = [
    [`${ok}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'length-and-encoding'],
    [`${ok}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`, 'content-length-duplicate'],
    [`${ok}Content-Length: -2\r\n\r\nok`, 'content-length-malformed'],
    [`${ok}Transfer-Encoding: gzip, chunked\r\n\r\n`, 'transfer-encoding-unsupported'],
    ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'transfer-encoding-in-1.0'],
    ['HTTP/1.0 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 'informational-in-1.0'],
    [`${ok}X: a\r\n b\r\n\r\n`, 'line-folding'],
    [`${ok}X : a\r\n\r\n`, 'space-before-colon'],
    [`${ok}X: a\nY: b\r\n\r\n`, 'bare-line-feed'],
    [`${ok}X: a\rY: b\r\n\r\n`, 'bare-carriage-return'],
    [`${ok}X: a\x00\r\n\r\n`, 'field-value-malformed'],
    [`${ok}: a\r\n\r\n`, 'field-name-malformed'],
    [`${ok}Connection: content-type\r\n\r\n`, 'connection-malformed'],
    ['HTTP/1.1 099 No\r\n\r\n', 'status-line-malformed'],
    ['HTTP/1.1 600 No\r\n\r\n', 'status-line-malformed'],
    ['HTTP/1.1 20 No\r\n\r\n', 'status-line-malformed'],
    ['HTTP/1.1 2000 No\r\n\r\n', 'status-line-malformed'],
    ['HTTP/1.1  200 OK\r\n\r\n', 'status-line-malformed'],
    ['HTTP/1.1 200 O\x07K\r\n\r\n', 'status-line-malformed'],
    ['HTTP/2.0 200 OK\r\n\r\n', 'version-unsupported'],
    ['ICY 200 OK\r\n\r\n', 'status-line-malformed'],
    ['200 OK\r\n\r\n', 'status-line-malformed'],
    ['\r\n\r\n', 'status-line-malformed'],
    ['HTTP/1.1 200 OK\nX: a\n\n', 'bare-line-feed'],
    ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 'response-unexpected'],
    ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(17), 'response-unexpected'],
    [`${ok}X: ${'x'.repeat(5000)}\r\n\r\n`, 'head-too-large'],
    [`${ok}${'X: 1\r\n'.repeat(30)}\r\n`, 'too-many-fields'],
  ]
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  for (const [response, code] of cases) {
    path.upstreamFaults.length = 0
    const client = await path.client()
    client.send(GET)
    const upstream = await app.accept()
    await upstream.until('\r\n\r\n')
    upstream.send(response)
    await client.until('refused 502\n')
    t.strictSame(path.upstreamFaults, [code], JSON.stringify(response.slice(0, 80)))
    t.match(client.text.replaceAll('HTTP/1.1 100 Continue\r\n\r\n', ''), /^HTTP\/1\.1 502 Bad Gateway\r\n/)
    await upstream.end
    const request = await path.arrival()
    t.strictSame(
      request.upstreamFaults.map(({ code, replay }) => [code, replay]),
      [['upstream-malformed', 'never']],
    )
    t.strictSame(request.finished, [undefined])
  }
})

t.test('a response that breaks in its body is never complete for the client', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`
  const cases: readonly [name: string, request: string, response: string, ends: 'FIN' | 'reset' | 'malformed'][] = [
    ['length, FIN', GET, `${ok}Content-Length: 9\r\n\r\nabc`, 'FIN'],
    ['length, reset', GET, `${ok}Content-Length: 9\r\n\r\nabc`, 'reset'],
    ['chunks, FIN', GET, chunked, 'FIN'],
    ['chunks, FIN before the trailers end', GET, `${chunked}0\r\n`, 'FIN'],
    ['chunks, reset', GET, chunked, 'reset'],
    ['chunks, bad size', GET, `${chunked}x\r\n`, 'malformed'],
    ['chunks, bare LF', GET, `${chunked}0\n\n`, 'malformed'],
    ['chunks, forbidden trailer', GET, `${chunked}0\r\nContent-Length: 1\r\n\r\n`, 'malformed'],
    ['until close, reset', GET, `${ok}\r\nabc`, 'reset'],
    ['length to HTTP/1.0, FIN', GET.replace('1.1', '1.0'), `${ok}Content-Length: 9\r\n\r\nabc`, 'FIN'],
    ['chunks to HTTP/1.0, FIN', GET.replace('1.1', '1.0'), chunked, 'FIN'],
    ['chunks to HTTP/1.0, bad size', GET.replace('1.1', '1.0'), `${chunked}x\r\n`, 'malformed'],
    ['until close to HTTP/1.0, reset', GET.replace('1.1', '1.0'), `${ok}\r\nabc`, 'reset'],
  ]
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  for (const [name, sent, response, ends] of cases) {
    const client = await path.client()
    client.send(sent)
    const upstream = await app.accept()
    await upstream.until('\r\n\r\n')
    const [head = '', body = ''] = response.split(/(?<=\r\n\r\n)/, 2)
    upstream.send(head, body)
    if (ends !== 'malformed') await client.until('abc')
    if (ends === 'FIN') upstream.socket.end()
    if (ends === 'reset') upstream.socket.resetAndDestroy()
    const end = await client.end
    const { text } = client
    if (sent.includes('1.1')) {
      const complete = text.includes('chunked') ? text.endsWith('\r\n0\r\n\r\n') : /content-length: (?!9)/.test(text)
      t.notOk(complete, name)
    } else t.equal(end, 'reset', `${name}: a FIN would say that the body is complete`)
    const request = await path.arrival()
    await request.over
    t.equal(request.finished.length, 1)
    t.match(request.finished[0]?.code, /^upstream-(gone|malformed)$/)
    t.strictSame(request.upstreamFaults, [], 'the owner is not asked: the response had begun')
  }
})

t.test('100-continue: the client waits for the application', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app)
  const request = httpRequest({
    port: path.port,
    method: 'POST',
    headers: { expect: '100-continue', 'content-length': 5 },
  })
  request.flushHeaders()
  await once(request, 'continue')
  t.equal(app.requests.length, 0)
  request.end('hello')
  const [response] = await once(request, 'response')
  t.equal(response.statusCode, 200)
  response.resume()
  await once(response, 'end')
  t.equal(app.requests[0]?.body.toString(), 'hello')
  request.destroy()
})

t.test('100-continue: the application says no, the body never comes', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const client = await path.client()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
  const upstream = await app.accept()
  await upstream.until('\r\n\r\n')
  upstream.send('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno')
  t.match(await client.all(), /^HTTP\/1\.1 417 [^]*connection: close\r\n\r\nno$/)
  t.equal(await upstream.end, 'ended', 'a connection with half a request on it is not used again')
})

t.test('an early answer while the body is still coming', async (t) => {
  const app = await nodeApp(t, (_request, response) => {
    response.writeHead(413, { connection: 'close' }).end('too much')
  })
  const path = await httpPath(t, app)
  const client = await path.client()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n', Buffer.alloc(1000))
  const text = await client.all()
  t.match(text, /^HTTP\/1\.1 413 [^]*connection: close\r\n/)
  t.match(text, /too much\r\n0\r\n\r\n$/)
  const { finished, over } = await path.arrival()
  await over
  t.strictSame(finished, [undefined])
})

t.test('both directions at once', async (t) => {
  const app = await nodeApp(t, (request, response) => void request.pipe(response))
  const path = await httpPath(t, app)
  const client = await path.client()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (const word of ['one', 'two', 'three']) {
    client.send(`${word.length}\r\n${word}\r\n`)
    await client.until(word)
  }
  client.send('0\r\n\r\n')
  await client.until('0\r\n\r\n')
})
