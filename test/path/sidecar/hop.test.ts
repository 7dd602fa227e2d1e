import { createHash, randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import t from 'tap'
import { echoUpgrades } from '../../fixtures/app.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  clientTls,
  deny,
  idOf,
  keptAgent,
  policyOf,
  rateLimit,
  send,
  sendTls,
  service,
  startHop,
  wireTcp,
  wireTls,
} from '../../fixtures/sidecar.ts'
import { closedPolicy } from '../../../src/policy/closed.ts'

checkLeaks(t)

const BIG = 10 * 1024 * 1024

t.test('a request goes through both sidecars and is reported by both', async (t) => {
  const { web, api, app } = await startHop(t)
  const reply = await send(web.outbound, { path: '/x?token=secret', headers: { 'x-request-id': 'mine' } })
  t.equal(reply.status, 200)
  t.equal(reply.text, 'ok')
  t.match(app.seen, [{ method: 'GET', target: '/x?token=secret', headers: { host: 'api' } }])
  const common = { request_id: 'mine', source: idOf('web'), method: 'GET', path: '/x', authority: 'api', status: 200 }
  t.match(await web.records.take(), { ...common, reporter: 'outbound', destination: 'default/api' })
  t.match(await api.records.take(), { ...common, reporter: 'inbound', rule: 'default/all/rules[0]', bytes_sent: 2 })
  const labels = { response_code: '200', refusal: 'none', connection_security_policy: 'mutual_tls' }
  t.equal(await web.metric('outrider_requests_total', { ...labels, destination_service: 'default/api' }), 1)
  t.equal(await api.metric('outrider_requests_total', { ...labels, source_principal: idOf('web') }), 1)
  t.equal(await api.metric('outrider_authorization_decisions_total', { decision: 'allow', policy: 'default/all' }), 1)
  t.equal(await api.metric('outrider_request_duration_seconds_count', { reporter: 'inbound' }), 1)
  t.equal(await api.metric('outrider_requests_in_flight'), 0)
})

t.test('identity fields are ours alone', async (t) => {
  const { web, api, app, ca } = await startHop(t)
  const forged = {
    'x-forwarded-client-cert': `By=x;Hash=y;URI=${idOf('admin')}`,
    'X-Forwarded-Client-Cert': 'twice',
    'client-cert': ':AAAA:',
    'client-cert-chain': ':AAAA:',
    'x-outrider-refusal': 'none',
  }
  await send(web.outbound, { headers: forged })
  const leaf = ca.issue('/ns/default/sa/web')
  await sendTls(api.inbound, ca, leaf, { headers: forged })
  t.equal(app.seen.length, 2)
  for (const [index, { headers, raw }] of app.seen.entries()) {
    const der = index === 0 ? web.credentials.current.svid.chainDer[0]! : leaf.chainDer[0]!
    const hash = createHash('sha256').update(der).digest('hex')
    t.equal(headers['x-forwarded-client-cert'], `By=${idOf('api')};Hash=${hash};URI=${idOf('web')}`)
    t.equal(raw.filter((name) => name.toLowerCase() === 'x-forwarded-client-cert').length, 1)
    for (const name of ['client-cert', 'client-cert-chain', 'x-outrider-refusal']) t.notOk(name in headers, name)
  }
  // To many applications this is the same name.
  const disguised = { x_forwarded_client_cert: `URI=${idOf('admin')}` }
  t.equal((await sendTls(api.inbound, ca, leaf, { headers: disguised })).status, 400)
  t.equal((await send(web.outbound, { headers: disguised })).status, 400)
  t.equal(app.seen.length, 2)
})

t.test('request ids and traces are carried on where they are valid', async (t) => {
  const { web, app } = await startHop(t)
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const tracestate = 'vendor=1'
  await send(web.outbound, {
    headers: { 'x-request-id': 'abc-1', traceparent: `00-${traceId}-00f067aa0ba902b7-01`, tracestate },
  })
  const kept = app.seen[0]!.headers
  t.equal(kept['x-request-id'], 'abc-1')
  t.match(kept['traceparent'], new RegExp(`^00-${traceId}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`))
  t.equal(kept['tracestate'], tracestate)

  for (const traceparent of ['00-xyz', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`]) {
    await send(web.outbound, { headers: { 'x-request-id': 'a"b\tc', traceparent, tracestate } })
    const fresh = app.seen.at(-1)!.headers
    t.match(fresh['x-request-id'], /^[0-9a-f]{32}$/)
    t.match(fresh['traceparent'], /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    t.notMatch(fresh['traceparent'], traceparent)
    t.notOk('tracestate' in fresh)
  }
})

t.test('fields of one connection are not carried over to another', async (t) => {
  const { web, app } = await startHop(t, {
    answer: (_request, response) => {
      response.writeHead(200, { 'keep-alive': 'timeout=1', 'proxy-connection': 'close', 'x-kept': '1' }).end('ok')
    },
  })
  const reply = await send(web.outbound, {
    headers: {
      connection: 'x-private, keep-alive',
      'x-private': '1',
      'proxy-connection': 'a',
      'x-kept': '1',
    },
  })
  const { headers } = app.seen[0]!
  for (const name of ['x-private', 'proxy-connection', 'keep-alive']) t.notOk(name in headers, name)
  t.equal(headers['x-kept'], '1')
  t.equal(reply.headers['x-kept'], '1')
  t.notOk('proxy-connection' in reply.headers)
  t.not(reply.headers['keep-alive'], 'timeout=1')
})

t.test('DENY comes before ALLOW, and what nothing allows is denied', async (t) => {
  const { web, api, app } = await startHop(t, {
    policy: {
      policies: [
        allow('readers', { name: 'read', to: [{ methods: ['GET'] }] }),
        deny('no-admin', { name: 'admin', to: [{ paths: ['/admin/{**}'] }] }),
      ],
    },
  })
  const denied = await send(web.outbound, { path: '/admin/x' })
  t.equal(denied.status, 403)
  t.equal(denied.headers['x-outrider-refusal'], 'denied-by-rule')
  t.equal(denied.text, 'denied-by-rule: a DENY rule matches\n')
  t.match(await api.records.take(), { status: 403, code: 'denied-by-rule', rule: 'default/no-admin/admin' })

  const unknown = await send(web.outbound, { method: 'POST', path: '/x', body: 'x' })
  t.equal(unknown.status, 403)
  t.match(await api.records.take(), {
    code: 'no-allow-rule',
    nearest_rule: 'default/readers/read',
    failed: 'to.methods',
  })
  t.same(app.seen, [])
  t.equal(
    await api.metric('outrider_authorization_decisions_total', { decision: 'deny', policy: 'default/no-admin' }),
    1,
  )
  t.equal(await api.metric('outrider_authorization_decisions_total', { decision: 'deny', policy: 'none' }), 1)
  t.equal((await send(web.outbound)).status, 200)
})

t.test('a client over its limit is told when to come back', async (t) => {
  const { web, api, app } = await startHop(t, {
    policy: { policies: [allow('all')], limits: [rateLimit('slow', { requests: 2, burst: 2 })] },
  })
  const first = await send(web.outbound)
  t.equal(first.status, 200)
  t.match(first.headers, { 'ratelimit-policy': '"calls";q=2;w=60', ratelimit: /^"calls";r=1;t=\d+$/ })
  await send(web.outbound)
  const refused = await send(web.outbound)
  t.equal(refused.status, 429)
  t.match(refused.headers, { 'retry-after': /^(29|30)$/, ratelimit: /^"calls";r=0;t=\d+$/, 'x-request-id': /./ })
  t.match(await api.records.take(({ status }) => status === 429), {
    code: 'rate-limited',
    rate_limit: 'RateLimit/default/slow/calls',
  })
  t.equal(app.seen.length, 2)
})

t.test('the path that is decided on is the path that is forwarded', async (t) => {
  const { web, api, app, ca } = await startHop(t, {
    policy: { policies: [allow('all'), deny('secret', { to: [{ paths: ['/secret/{**}'] }] })] },
  })
  const leaf = ca.issue('/ns/default/sa/web')
  const same: Readonly<Record<string, string>> = {
    '/a/./b/../c': '/a/c',
    '//a///b': '/a/b',
    '/%61/%7Eb?x=%2F..': '/a/~b?x=%2F..',
    '/a%3ab': '/a%3Ab',
  }
  for (const [sent, seen] of Object.entries(same)) {
    for (const ask of [
      () => send(web.outbound, { path: sent }),
      () => sendTls(api.inbound, ca, leaf, { path: sent }),
    ]) {
      t.equal((await ask()).status, 200, sent)
      t.equal(app.seen.at(-1)!.target, seen, sent)
      t.match(await api.records.take(), { path: seen.split('?')[0] }, 'and the path that is logged')
    }
  }
  const asked = app.seen.length
  const disguised = ['/secret/x', '/%73ecret/x', '/a/../secret/x', '//secret/x', '/a/%2e%2e/secret/x', '/./secret/./x']
  for (const path of disguised) t.equal((await sendTls(api.inbound, ca, leaf, { path })).status, 403, path)
  const malformed: Readonly<Record<string, string>> = {
    '/a%2Fsecret': 'path-encoded-slash',
    '/../secret': 'path-above-root',
    '/a/..;/secret': 'path-dot-parameters',
    '/a%5Cb': 'path-backslash',
    '/a%zz': 'path-escape',
    '/%c0%ae/secret': 'path-overlong-utf8',
    '/a%00b': 'path-character',
  }
  for (const [path, code] of Object.entries(malformed)) {
    for (const ask of [() => send(web.outbound, { path }), () => sendTls(api.inbound, ca, leaf, { path })]) {
      const reply = await ask()
      t.equal(reply.status, 400, path)
      t.equal(reply.headers['x-outrider-refusal'], code, path)
    }
  }
  t.equal(app.seen.length, asked)
})

t.test('what the policy does not know is refused by name', async (t) => {
  const { web, app } = await startHop(t)
  const unknown = await send(web.outbound, { headers: { host: 'nobody' } })
  t.equal(unknown.status, 404)
  t.match(await web.records.take(), { status: 404, code: 'service-unknown', destination: 'unknown' })
  t.equal((await send(web.outbound, { headers: { host: 'api:81' } })).status, 404)
  for (const host of ['api.default', 'api.default.svc.cluster.local', 'API', 'api:80', 'api.default.:80'])
    t.equal((await send(web.outbound, { headers: { host } })).status, 200, host)

  web.policy.set(policyOf({ workload: 'web', services: [service('api', app.address.port, [])] }))
  const empty = await send(web.outbound)
  t.equal(empty.status, 503)
  t.equal(empty.headers['x-outrider-refusal'], 'no-endpoint')

  web.policy.set(closedPolicy('the test took it away'))
  const missing = await send(web.outbound)
  t.equal(missing.status, 503)
  t.equal(missing.headers['x-outrider-refusal'], 'policy-missing')
})

t.test('without a policy nothing is let in', async (t) => {
  const { web, api, app } = await startHop(t, { api: { policy: closedPolicy('none yet') } })
  const reply = await send(web.outbound)
  t.equal(reply.status, 503)
  t.equal(reply.headers['x-outrider-refusal'], 'policy-missing')
  t.match(await api.records.take(), { code: 'policy-missing', status: 503 })
  t.same(app.seen, [])
})

t.test('faults of the application', async (t) => {
  const { web, api, app } = await startHop(t, { api: { config: { requestIdleTimeoutMs: 300 } } })
  app.answer((_request, response) => response.destroy())
  const gone = await send(web.outbound, { method: 'POST', body: 'x' })
  t.equal(gone.status, 502)
  t.equal(gone.headers['x-outrider-refusal'], 'upstream-gone')
  t.match(await api.records.take(), { status: 502, code: 'upstream-gone' })

  app.answer((_request, response) => response.socket?.end('SSH-2.0-Server\r\n\r\n'))
  const malformed = await send(web.outbound)
  t.equal(malformed.status, 502)
  t.equal(malformed.headers['x-outrider-refusal'], 'upstream-malformed')

  app.answer(() => {})
  const silent = await send(web.outbound)
  t.equal(silent.status, 504)
  t.equal(silent.headers['x-outrider-refusal'], 'timed-out')

  app.answer((_request, response) => {
    response.writeHead(200, { 'content-length': 10 }).write('half')
    setImmediate(() => response.destroy())
  })
  await t.rejects(send(web.outbound), { code: 'ECONNRESET' })

  await app.close()
  const down = await send(web.outbound)
  t.equal(down.status, 503)
  t.equal(down.headers['x-outrider-refusal'], 'upstream-unreachable')
  t.equal(await api.metric('outrider_upstream_failures_total', { reason: 'upstream-unreachable' }), 1)
  t.equal(api.runtime.load.inFlight, 0)
  t.equal(web.runtime.load.inFlight, 0)
})

t.test('large bodies in both directions', async (t) => {
  const { web, api } = await startHop(t, { answer: ({ body }, response) => void response.end(body) })
  const body = randomBytes(BIG)
  const reply = await send(web.outbound, { method: 'POST', body })
  t.equal(reply.status, 200)
  t.ok(reply.body.equals(body))
  t.match(await api.records.take(), { bytes_received: BIG, bytes_sent: BIG })
  t.equal(await api.metric('outrider_request_bytes_total', { reporter: 'inbound' }), BIG)
  t.equal(await web.metric('outrider_response_bytes_total', { reporter: 'outbound' }), BIG)
})

t.test('HEAD, trailers and 100-continue', async (t) => {
  const { web, app } = await startHop(t, {
    answer: ({ method }, response) => {
      if (method === 'HEAD') response.writeHead(200, { 'content-length': 5 }).end()
      else {
        response.writeHead(200, { trailer: 'x-sum' })
        response.write('body')
        response.addTrailers({ 'x-sum': '4' })
        response.end()
      }
    },
  })
  const head = await send(web.outbound, { method: 'HEAD' })
  t.match(head, { status: 200, text: '', headers: { 'content-length': '5' } })

  const client = wireTcp(t, web.outbound)
  client.socket.write('POST /u HTTP/1.1\r\nhost: api\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n')
  await client.match(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
  client.socket.write('2\r\nhi\r\n0\r\nx-check: 1\r\n\r\n')
  await client.match(/4\r\nbody\r\n0\r\nx-sum: 4\r\n\r\n$/)
  t.match(app.seen.at(-1), { body: Buffer.from('hi'), trailers: { 'x-check': '1' } })
})

t.test('a WebSocket goes through both sidecars, and each half ends by itself', async (t) => {
  const { web, api, app } = await startHop(t)
  echoUpgrades(app)
  const client = wireTcp(t, web.outbound, true)
  client.socket.write('GET /ws HTTP/1.1\r\nhost: api\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nearly ')
  await client.match(/^HTTP\/1\.1 101 [^]*\r\n\r\nearly $/)
  client.socket.write('more ')
  await client.match(/early more $/)
  client.socket.end('last')
  await client.match(/early more last$/)
  await client.closed
  t.match(await api.records.take(), { status: 101, bytes_received: 15, bytes_sent: 15 })
  t.match(await web.records.take(), { status: 101, bytes_received: 15, bytes_sent: 15 })
})

t.test('a denied upgrade opens no tunnel', async (t) => {
  const { web, app } = await startHop(t, { policy: {} })
  echoUpgrades(app)
  const client = wireTcp(t, web.outbound)
  client.socket.write('GET /ws HTTP/1.1\r\nhost: api\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  await client.match(/^HTTP\/1\.1 403 /)
  t.equal(app.accepted, 0)
})

t.test('no more than maxInFlight requests are in flight', async (t) => {
  const { web, api, app } = await startHop(t, { api: { config: { maxInFlight: 1 } } })
  const arrived = Promise.withResolvers<() => void>()
  app.answer((_request, response) => arrived.resolve(() => response.end('late')))
  const first = send(web.outbound)
  const finish = await arrived.promise
  const second = await send(web.outbound)
  t.equal(second.status, 503)
  t.equal(second.headers['x-outrider-refusal'], 'overloaded')
  t.equal(await api.metric('outrider_requests_in_flight'), 1)
  finish()
  t.equal((await first).text, 'late')
  app.answer((_request, response) => void response.end('ok'))
  t.equal((await send(web.outbound)).status, 200)
})

t.test('no more than maxConnections connections are open', async (t) => {
  const { web, api, ca } = await startHop(t, {
    web: { config: { maxConnections: 1 } },
    api: { config: { maxConnections: 1 } },
  })
  const first = wireTls(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  first.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
  await first.match(/ok$/)
  const second = wireTcp(t, api.inbound)
  await second.closed
  t.equal(second.text, '')
  const labels = { listener: 'inbound', reason: 'too-many-connections' }
  t.equal(await api.metric('outrider_connections_refused_total', labels), 1)
  t.equal(await api.metric('outrider_connections_active', { listener: 'inbound' }), 1)

  const idle = wireTcp(t, web.outbound)
  idle.socket.write('GET / HTTP/1.1\r\nhost: nobody\r\n\r\n')
  await idle.match(/HTTP\/1\.1 404/)
  const refused = wireTcp(t, web.outbound)
  await refused.closed
  t.equal(refused.text, '')
})

t.test('an answer to a request that was refused leaves the connection usable', async (t) => {
  const { web, app } = await startHop(t, { policy: { policies: [allow('one', { to: [{ paths: ['/yes'] }] })] } })
  const agent = keptAgent(t, new Agent({ keepAlive: true, maxSockets: 1 }))
  let connections = 0
  agent.on('free', () => (connections += 1))
  t.equal((await send(web.outbound, { agent, path: '/no' })).status, 403)
  t.equal((await send(web.outbound, { agent, path: '/yes' })).status, 200)
  t.equal(app.seen.length, 1)
  t.equal(await web.metric('outrider_connections_total', { listener: 'outbound' }), 1)
})
