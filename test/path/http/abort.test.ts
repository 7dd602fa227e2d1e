import t from 'tap'
import { type HttpPath, httpPath, type Peer, type RawApp, rawApp } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n'

interface Ends {
  readonly client: Peer
  readonly upstream: Peer
}

async function begin(path: HttpPath, app: RawApp, request: string, response: string, seen = ''): Promise<Ends> {
  const client = await path.client()
  client.send(request)
  const upstream = await app.accept()
  await upstream.until('\r\n\r\n')
  upstream.send(response)
  await client.until(seen)
  return { client, upstream }
}

t.test('a client that goes aborts the upstream at once, in every phase and in both ways of going', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const phases: readonly [name: string, request: string, response: string, seen: string][] = [
    ['before the response', GET, '', ''],
    ['in the request body', `${POST}abc`, '', ''],
    [
      'in the request body, in chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      '',
      '',
    ],
    ['after the request body', `${POST}123456789`, '', ''],
    ['in the request body, with a response', `${POST}abc`, `${ok}Content-Length: 9\r\n\r\nabc`, 'abc'],
    ['after an interim response', GET, 'HTTP/1.1 103 Early Hints\r\n\r\n', '103'],
    ['in the response body', GET, `${ok}Content-Length: 9\r\n\r\nabc`, 'abc'],
    ['in the chunks of a response', GET, `${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`, 'abc'],
    ['in a response that ends with its connection', GET, `${ok}\r\nabc`, 'abc'],
    [
      'while it waits for a change of protocol',
      `${GET.trimEnd()}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`,
      '',
      '',
    ],
  ]
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  for (const [name, request, response, seen] of phases) {
    for (const way of ['FIN', 'reset'] as const) {
      const { client, upstream } = await begin(path, app, request, response, seen)
      if (way === 'FIN') client.socket.end()
      else client.socket.resetAndDestroy()
      await upstream.end
      const exchange = await path.arrival()
      await exchange.over
      t.strictSame(
        exchange.finished.map((fault) => fault?.code),
        ['client-gone'],
        `${name}, ${way}`,
      )
      t.strictSame(exchange.upstreamFaults, [])
      await client.end
    }
  }
})

t.test('a client that goes before there is a connection leaves nothing behind', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app, { decide: () => {} })
  const client = await path.client()
  client.send(GET)
  const request = await path.arrival()
  client.socket.resetAndDestroy()
  await request.over
  t.equal(request.finished[0]?.code, 'client-gone')
  request.forward()
  const upstream = await app.accept()
  t.ok(request.exchange.finished)
  t.equal(upstream.text, '', 'nothing is sent for it')
})

t.test('half a body and a FIN: said so, never forwarded as a whole', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  for (const request of [
    `${POST}abc`,
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n',
  ]) {
    const { client, upstream } = await begin(path, app, request, '')
    client.socket.end()
    t.match(await client.all(), /^HTTP\/1\.1 400 [^]*body-incomplete/)
    await upstream.end
    t.notMatch(upstream.text, /0\r\n\r\n$/)
  }
  t.strictSame(path.serverFaults, ['body-incomplete', 'body-incomplete'])
})

t.test('an upstream that goes before its response: the owner is asked once, the client gets an answer', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  for (const partial of ['', 'HTTP/1.1 2', 'HTTP/1.1 200 OK\r\nContent-', 'HTTP/1.1 100 Continue\r\n\r\n']) {
    for (const way of ['FIN', 'reset'] as const) {
      const { client, upstream } = await begin(path, app, GET, '')
      upstream.send(partial)
      if (way === 'FIN') upstream.socket.end()
      else
        await new Promise<void>((resolve) => upstream.socket.write('', () => resolve())).then(() =>
          upstream.socket.resetAndDestroy(),
        )
      await client.until('refused 502\n')
      const exchange = await path.arrival()
      t.strictSame(
        exchange.upstreamFaults.map(({ code, replay }) => [code, replay]),
        [['upstream-gone', 'never']],
      )
      t.strictSame(exchange.finished, [undefined])
    }
  }
})

t.test('an upstream that goes in the request body', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const { client, upstream } = await begin(path, app, `${POST}abc`, '')
  await upstream.until('abc')
  upstream.socket.resetAndDestroy()
  t.match(await client.all(), /^HTTP\/1\.1 502 [^]*connection: close\r\n/)
  const exchange = await path.arrival()
  t.equal(exchange.upstreamFaults.length, 1)
})

/** Uses one upstream connection twice, and lets the application close it on the second request. */
async function second(path: HttpPath, app: RawApp, request: string, partial: string): Promise<Ends> {
  const { client, upstream } = await begin(path, app, GET, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 'ok')
  await path.arrival()
  upstream.clear()
  client.clear()
  client.send(request)
  await upstream.until('\r\n\r\n')
  upstream.send(partial).socket.end()
  return { client, upstream }
}

t.test('a connection that had grown old is told apart from an application that fails', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const { client } = await second(path, app, GET, '')
  const again = await app.accept()
  await again.until('\r\n\r\n')
  again.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain')
  await client.until('again')
  const replayed = await path.arrival()
  t.strictSame(
    replayed.upstreamFaults.map(({ replay }) => replay),
    ['idempotent'],
  )
  t.strictSame(replayed.finished, [undefined])
  client.socket.destroy()

  for (const [request, partial, replay] of [
    [GET, 'H', 'never'],
    [GET, 'HTTP/1.1 100 Continue\r\n\r\n', 'never'],
    [`${POST}123456789`, '', 'idempotent'],
    [`${POST}1234`, '', 'idempotent'],
  ] as const) {
    const path = await httpPath(t, app)
    const { client } = await second(path, app, request, partial)
    await client.until('refused 502\n')
    const exchange = await path.arrival()
    t.strictSame(
      exchange.upstreamFaults.map(({ replay }) => replay),
      [replay],
    )
    t.notOk(
      replay !== 'never' && exchange.exchange.replayable,
      'nothing that had a body, or began to be answered, is sent twice',
    )
    await path.close()
  }
})

t.test('the owner breaks an exchange off: both sides end', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  for (const response of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc']) {
    const { client, upstream } = await begin(path, app, GET, response, response.slice(-3))
    const exchange = await path.arrival()
    const fault = { code: 'closed-here', message: 'policy changed', replay: 'never' } as const
    exchange.exchange.abort(fault)
    exchange.exchange.abort(fault)
    t.not(await client.end, 'closed')
    await upstream.end
    t.strictSame(exchange.finished, [fault])
  }
})

t.test('the owner refuses while the upstream is asked: it is aborted, the client gets the refusal alone', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const { client, upstream } = await begin(path, app, GET, '')
  const exchange = await path.arrival()
  exchange.refuse(504)
  exchange.refuse(500)
  await upstream.end
  await client.until('refused 504\n')
  t.equal(client.text.match(/HTTP\/1\.1/g)?.length, 1)
  t.strictSame(exchange.finished, [undefined])
})
