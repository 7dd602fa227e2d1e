// Late rejection: what is under way ends when a new policy no longer allows it, each kind in the way that its client can tell
// from an ordinary end. WebSockets and TCP connections are in the tests of their names.
import { once } from 'node:events'
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { constants } from 'node:http2'
import { status } from '@grpc/grpc-js'
import t from 'tap'
import type { PolicyParts } from '../../fixtures/sidecar.ts'
import { begin, grpcClient, startGrpcApp } from '../../fixtures/grpc.ts'
import { http2Client, startHttp2App } from '../../fixtures/http2.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, clientTls, eventually, keptAgent, policyOf, startHop, startPair } from '../../fixtures/sidecar.ts'

checkLeaks(t)

const only = (...paths: readonly string[]): PolicyParts => ({ policies: [allow('some', { to: [{ paths }] })] })

function answerOf(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once('response', resolve)
    sent.once('error', reject)
  })
}

t.test('a gRPC stream ends with PERMISSION_DENIED, and the one beside it goes on', async (t) => {
  const app = await startGrpcApp(t, { unary: (call, done) => held.push(() => done(null, call.request)) })
  const held: (() => void)[] = []
  const { web, api } = await startPair(t, app)
  const client = grpcClient(t, web.outbound)
  const chat = begin(client, 'Chat')
  chat.stream.write(Buffer.from('first'))
  await once(chat.stream, 'data')
  const unary = begin(client, 'Unary')
  unary.stream.end(Buffer.from('kept'))
  const unanswered = begin(client, 'Unary2')
  await eventually(() => held.length > 0, 'the call arrives')
  t.equal((await unanswered.outcome).status.code, status.UNIMPLEMENTED)

  api.policy.set(policyOf(only('/test.Echo/Unary')))
  const ended = await chat.outcome
  t.match(ended.status, { code: status.PERMISSION_DENIED, details: /^permission-withdrawn: / })
  t.strictSame(ended.status.metadata.get('x-outrider-refusal'), ['permission-withdrawn'])
  t.strictSame(ended.messages.map(String), ['first'], 'what had come has come')
  const record = await api.records.take(({ path }) => path === '/test.Echo/Chat')
  t.match(record, {
    status: 200,
    code: 'permission-withdrawn',
    nearest_rule: 'default/some/rules[0]',
    failed: 'to.paths',
  })
  t.equal(await api.metric('outrider_requests_total', { refusal: 'permission-withdrawn' }), 1)
  t.match(await api.lines.take(({ level }) => level === 'warn'), { withdrawn: 1 })

  held[0]?.()
  t.equal((await unary.outcome).status.code, status.OK)
  t.equal(await api.metric('outrider_connections_total', { listener: 'inbound' }), 1, 'the connection goes on')

  const late = begin(client, 'Unary')
  late.stream.end(Buffer.from('late'))
  await eventually(() => held.length > 1, 'the call arrives')
  api.policy.set(policyOf({}))
  const refused = await late.outcome
  t.match(refused.status, { code: status.PERMISSION_DENIED, details: /^permission-withdrawn: / }, 'before its head')
  t.equal(api.runtime.load.inFlight, 0)
})

for (const length of [undefined, '1000'] as const) {
  t.test(`a download over HTTP/1.1 ${length === undefined ? 'in chunks' : 'of a length'} is cut`, async (t) => {
    const { web, api, app } = await startHop(t)
    app.answer((_request, response) => {
      response.writeHead(200, length === undefined ? {} : { 'content-length': length }).write('begun')
    })
    const agent = keptAgent(t, new Agent({ keepAlive: true, maxSockets: 2 }))
    const open = async (path: string): Promise<IncomingMessage> => {
      const sent = httpRequest({ ...web.outbound, path, agent, headers: { host: 'api' } }).end()
      sent.on('error', () => {})
      const response = await answerOf(sent)
      response.on('error', () => {})
      await once(response, 'data')
      return response
    }
    const [cut, kept] = await Promise.all([open('/a'), open('/b')])
    api.policy.set(policyOf(only('/b')))
    await new Promise((resolve) => cut.once('close', resolve))
    t.match(cut, { complete: false, errored: { code: 'ECONNRESET' } })
    t.match(await api.records.take(), { path: '/a', status: 200, code: 'permission-withdrawn', bytes_sent: 5 })
    t.match(await web.records.take(), { path: '/a', status: 200, code: 'upstream-gone' })
    t.notOk(kept.destroyed)
    t.equal(api.runtime.load.inFlight, 1)
    kept.destroy()
  })
}

t.test('an event stream over HTTP/2 is reset, and no other stream of its connection', async (t) => {
  const app = await startHttp2App(t, ({ stream }) => {
    stream.respond({ ':status': 200, 'content-type': 'text/event-stream' })
    stream.write('data: 1\n\n')
  })
  const { api, ca } = await startPair(t, app.address)
  const session = await http2Client(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  const open = async (path: string) => {
    const stream = session.request({ ':path': path, ':authority': 'api' })
    stream.on('error', () => {})
    await once(stream, 'data')
    return stream
  }
  const [cut, kept] = await Promise.all([open('/a'), open('/b')])
  api.policy.set(policyOf(only('/b')))
  await new Promise((resolve) => cut.once('close', resolve))
  t.equal(cut.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
  t.match(await api.records.take(), { path: '/a', code: 'permission-withdrawn' })
  app.streams.find(({ headers }) => headers[':path'] === '/b')?.stream.write('data: 2\n\n')
  const [more] = await once(kept, 'data')
  t.equal(String(more), 'data: 2\n\n')
  kept.close()
})

t.test('an upload that is under way is answered with 403, and the application is left', async (t) => {
  const { web, api, app } = await startHop(t)
  const arrived = new Promise<IncomingMessage>((resolve) => {
    app.server.removeAllListeners('request')
    app.server.on('request', (request: IncomingMessage) => {
      request.on('error', () => {})
      resolve(request)
    })
  })
  const agent = keptAgent(t, new Agent({ keepAlive: true, maxSockets: 1 }))
  const sent = httpRequest({ ...web.outbound, method: 'PUT', path: '/a', agent, headers: { host: 'api' } })
  sent.on('error', () => {})
  sent.write('a part')
  const upload = await arrived
  await once(upload, 'data')
  const left = new Promise((resolve) => upload.once('close', resolve))
  const answer = answerOf(sent)
  api.policy.set(policyOf(only('/b')))
  const response = await answer
  t.match(response, { statusCode: 403, headers: { 'x-outrider-refusal': 'permission-withdrawn' } })
  response.resume()
  await left
  t.notOk(upload.complete)
  t.match(await api.records.take(), { path: '/a', status: 403, code: 'permission-withdrawn' })
  sent.destroy()
})

t.test('a client without identity is not told why', async (t) => {
  const { api, app } = await startHop(t, { api: { inbound: { mode: 'permissive' } } })
  const answers = Promise.withResolvers<void>()
  app.answer(() => answers.resolve())
  const sent = httpRequest({ ...api.inbound, path: '/a', agent: false, headers: { host: 'api' } }).end()
  await answers.promise
  const answer = answerOf(sent)
  api.policy.set(policyOf(only('/b')))
  const response = await answer
  t.equal(response.statusCode, 403)
  t.notOk('x-outrider-refusal' in response.headers)
  t.match(await api.records.take(), { source: 'anonymous', status: 403, code: 'permission-withdrawn' })
  response.resume()
  await once(response, 'end')
})
