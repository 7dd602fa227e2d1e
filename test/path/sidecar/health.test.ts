import { once } from 'node:events'
import { createServer as createHttpServer, request as httpRequest } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import t, { type Test } from 'tap'
import { parseProbeTargets, probePathOf } from '../../../src/lib/probe-target.ts'
import { applicationProbes } from '../../../src/sidecar/health/probes.ts'
import { serveHealth } from '../../../src/telemetry/health-server.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

async function listening(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address: AddressInfo | string | null = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

interface Health {
  readonly clock: TestClock
  state: { ready?: string; live?: string }
  readonly get: (path: string, headers?: Readonly<Record<string, string>>, method?: string) => Promise<number>
  readonly port: number
}

async function health(t: Test, probes: string): Promise<Health> {
  const targets = parseProbeTargets(probes)
  if (typeof targets === 'string') throw new Error(targets)
  const clock = new TestClock()
  const state: Health['state'] = {}
  const server = await serveHealth({
    address: { host: '::', port: 0 },
    notReady: () => state.ready,
    notLive: async () => state.live,
    other: applicationProbes({
      targets,
      clock,
      log: createLogger({ name: 'test', level: 'error', clock, sink: { write: () => {} } }),
    }),
  })
  t.teardown(() => server.close())
  const { port } = server.address
  const get: Health['get'] = async (path, headers = {}, method = 'GET') => {
    const sent = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }).end()
    const [response] = await once(sent, 'response')
    response.resume()
    await once(response, 'end')
    return response.statusCode
  }
  return { clock, state, get, port }
}

t.test('whether the sidecar lives and is ready, and nothing else', async (t) => {
  const { state, get } = await health(t, '')
  t.equal(await get('/ready', { host: '10.1.2.3:15020' }), 200, 'under any name: a kubelet asks by address')
  t.equal(await get('/live'), 200)
  state.ready = 'no policy yet'
  t.equal(await get('/ready'), 503)
  t.equal(await get('/live'), 200)
  state.live = 'worker 1 gives no answer'
  t.equal(await get('/live'), 503)
  for (const path of [
    '/',
    '/policy',
    '/certs',
    '/metrics',
    '/drain',
    '/log-level',
    '/probe/http/1/',
    '/ready?x',
    '//ready',
  ])
    t.equal(await get(path), 404, path)
  t.equal(await get('/ready', {}, 'POST'), 405)
})

t.test('probes of the application by HTTP', async (t) => {
  const asked: unknown[] = []
  const app = createHttpServer((request, response) => {
    asked.push([request.method, request.url, request.headers['x-probe']])
    const status = Number(request.headers['x-status'] ?? 200)
    response.writeHead(status, { location: 'http://elsewhere.example/' }).end('a body that nobody needs')
  })
  const port = await listening(t, app)
  t.teardown(() => app.closeAllConnections())
  const { get } = await health(t, `http://:${port}/healthz?full=1 http://:${port}/other`)
  const path = `/probe/http/${port}/healthz?full=1`
  t.equal(await get(path, { 'x-probe': 'kubelet' }), 200)
  t.strictSame(asked, [['GET', '/healthz?full=1', 'kubelet']])
  t.equal(await get(path, { 'x-status': '302' }), 302)
  t.equal(await get(path, { 'x-status': '500' }), 500)
  const before = asked.length
  for (const other of [
    `/probe/http/${port}/healthz`,
    `/probe/http/${port}/secret`,
    `/probe/http/${port}/other/../secret`,
    `/probe/tcp/${port}`,
  ])
    t.equal(await get(other), 404, other)
  t.equal(asked.length, before, 'what is not listed does not reach the application')
  app.closeAllConnections()
  await new Promise((resolve) => app.close(resolve))
  t.equal(await get(path), 503, 'nobody listens')
})

t.test('probes of the application by HTTPS, whatever its certificate', async (t) => {
  const leaf = makeTestCa('elsewhere.test').issue('/app')
  const app = createHttpsServer({ cert: leaf.chainPem, key: leaf.keyPem }, (request, response) => {
    response.writeHead(request.url === '/healthz' ? 204 : 404).end()
  })
  const port = await listening(t, app)
  t.teardown(() => app.closeAllConnections())
  const { get } = await health(t, `https://:${port}/healthz`)
  t.equal(await get(`/probe/https/${port}/healthz`), 204)
})

t.test('probes by TCP', async (t) => {
  const app = createTcpServer((socket) => socket.on('error', () => {}).resume())
  const port = await listening(t, app)
  const { get } = await health(t, `tcp://:${port}`)
  t.equal(await get(`/probe/tcp/${port}`), 200)
  await new Promise((resolve) => app.close(resolve))
  t.equal(await get(`/probe/tcp/${port}`), 503)
})

t.test('probes by gRPC', async (t) => {
  const asked: string[] = []
  let reply = Buffer.of(0, 0, 0, 0, 2, 8, 1)
  let status = '0'
  const app = createHttp2Server()
  app.on('stream', (stream, head) => {
    const parts: Buffer[] = []
    stream.on('data', (part: Buffer) => parts.push(part))
    stream.on('end', () => {
      asked.push(`${head[':path']} ${head['content-type']} ${Buffer.concat(parts).toString('hex')}`)
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
      stream.end(reply)
    })
  })
  const port = await listening(t, app)
  const { get } = await health(t, `grpc://:${port}/shop.Cart grpc://:${port}/`)
  t.equal(await get(`/probe/grpc/${port}/shop.Cart`), 200)
  t.equal(await get(`/probe/grpc/${port}/`), 200)
  t.strictSame(asked, [
    `/grpc.health.v1.Health/Check application/grpc 000000000b0a09${Buffer.from('shop.Cart').toString('hex')}`,
    '/grpc.health.v1.Health/Check application/grpc 0000000000',
  ])
  reply = Buffer.of(0, 0, 0, 0, 2, 8, 2)
  t.equal(await get(`/probe/grpc/${port}/`), 503, 'NOT_SERVING')
  reply = Buffer.alloc(0)
  status = '12'
  t.equal(await get(`/probe/grpc/${port}/`), 503, 'not implemented')
  reply = Buffer.alloc(2000)
  status = '0'
  t.equal(await get(`/probe/grpc/${port}/`), 503, 'too much')
})

t.test('an application that does not answer is not waited for without end', async (t) => {
  const app = createTcpServer((socket) => socket.on('error', () => {}).resume())
  const port = await listening(t, app)
  const { get, clock, port: own } = await health(t, `http://:${port}/`)
  const connected = once(app, 'connection')
  const answer = get(`/probe/http/${port}/`)
  const [held] = await connected
  clock.advance(60_000)
  t.equal(await answer, 503)
  held.destroy()

  const another = once(app, 'connection')
  const sent = httpRequest({ host: '127.0.0.1', port: own, path: `/probe/http/${port}/`, agent: false }).on(
    'error',
    () => {},
  )
  sent.end()
  const [socket] = await another
  sent.destroy()
  await once(socket, 'close')
  t.pass('who asks is gone, and so is our connection')
})

t.test('targets', async (t) => {
  for (const wrong of [
    'http://host:80/',
    'http://:0/',
    'http://:65536/',
    'http://:80',
    'tcp://:80/',
    'ftp://:80/',
    'http://:80/\u00e4',
    `http://:80/${'a'.repeat(1024)}`,
  ])
    t.match(parseProbeTargets(wrong), /is no target such as/, wrong.slice(0, 40))
  t.match(parseProbeTargets(Array.from({ length: 65 }, (_, port) => `tcp://:${port + 1}`).join(' ')), /the limit is 64/)
  t.equal(probePathOf('grpc://:9090/shop.Cart'), '/probe/grpc/9090/shop.Cart')
})
