import { createHash, randomBytes } from 'node:crypto'
import { type ClientHttp2Stream, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import type { Address } from '../../../src/lib/address.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { dial, Mailbox, Peer, rawApp } from '../../fixtures/http.ts'
import { http2Client, startHttp2App } from '../../fixtures/http2.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  deny,
  eventually,
  idOf,
  type Pair,
  type PairOptions,
  policyOf,
  startPair,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

type Speaks = 'HTTP/1.1' | 'HTTP/2'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
/** Fields of a handshake that both versions have. */
const FIELDS = {
  'sec-websocket-version': '13',
  'sec-websocket-protocol': 'chat, superchat',
  'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
  origin: 'http://example.com',
}

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

type Fields = Readonly<Record<string, string>>

function readHead(text: string): { readonly start: string; readonly fields: Fields; readonly rest: string } {
  const end = text.indexOf('\r\n\r\n')
  const [start = '', ...lines] = text.slice(0, end).split('\r\n')
  const fields: Fields = Object.fromEntries(lines.map((line) => line.split(': ', 2)))
  return { start, fields, rest: text.slice(end + 4) }
}

function fieldsOf(headers: IncomingHttpHeaders): Fields {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

/** A handshake as an application got it. */
interface Handshake {
  readonly target: string
  readonly fields: Fields
  /** Agrees; what the client sends then comes to the peer. */
  grant(): Peer<Duplex>
}

interface App {
  readonly address: Address
  handshake(): Promise<Handshake>
}

async function takeUpgrade(peer: Peer, handshakes: Mailbox<Handshake>): Promise<void> {
  await peer.until('\r\n\r\n')
  const { start, fields, rest } = readHead(peer.text)
  if (rest !== '') throw new Error('something came before the grant')
  peer.clear()
  handshakes.push({
    target: start.split(' ')[1] ?? '',
    fields,
    grant: () =>
      peer.send(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n',
        `Sec-WebSocket-Accept: ${acceptOf(fields['sec-websocket-key'] ?? '')}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`,
      ),
  })
}

async function startApp(t: Test, speaks: Speaks): Promise<App> {
  const handshakes = new Mailbox<Handshake>()
  if (speaks === 'HTTP/1.1') {
    const { address } = await rawApp(t, (peer) => void takeUpgrade(peer, handshakes))
    return { address, handshake: () => handshakes.next() }
  }
  const { address } = await startHttp2App(t, ({ stream, headers }) => {
    t.match(headers, { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':authority': 'api' })
    handshakes.push({
      target: headers[':path'] ?? '',
      fields: fieldsOf(headers),
      grant: () => {
        stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' })
        return new Peer<ServerHttp2Stream>(stream)
      },
    })
  })
  return { address, handshake: () => handshakes.next() }
}

/** A handshake that a client has sent. */
interface Asked {
  readonly peer: Peer<Duplex>
  /** The status and the fields of the answer, whose body is `body`. */
  answer(body?: RegExp): Promise<{ readonly status: number; readonly fields: Fields }>
}

async function ask(t: Test, to: Address, speaks: Speaks, path = '/chat?room=1'): Promise<Asked> {
  if (speaks === 'HTTP/1.1') {
    const peer = await dial(t, to)
    const lines = Object.entries(FIELDS).map(([name, value]) => `${name}: ${value}\r\n`)
    peer.send(
      `GET ${path} HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`,
      `Sec-WebSocket-Key: ${KEY}\r\n${lines.join('')}\r\n`,
    )
    return {
      peer,
      answer: async (body = /^$/) => {
        await peer.until((text) => text.includes('\r\n\r\n') && body.test(readHead(text).rest))
        const { start, fields } = readHead(peer.text)
        peer.clear()
        return { status: Number(start.split(' ')[1]), fields }
      },
    }
  }
  const session = await http2Client(t, to)
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':authority': 'api',
      ':path': path,
      ...FIELDS,
    },
    { endStream: false },
  )
  const answered = new Promise<IncomingHttpHeaders>((resolve) => {
    stream.once('response', resolve)
  })
  const peer = new Peer<ClientHttp2Stream>(stream)
  return {
    peer,
    answer: async (body = /^$/) => {
      const headers = await answered
      await peer.until((text) => body.test(text))
      return { status: Number(headers[':status']), fields: fieldsOf(headers) }
    },
  }
}

function reset({ socket }: Peer<Duplex>): void {
  if (socket instanceof Socket) socket.resetAndDestroy()
  // Its `close` would end our half first.
  else socket.destroy(new Error('reset by the test'))
}

interface Way extends Pair {
  readonly app: App
}

async function startWay(t: Test, appSpeaks: Speaks, options: PairOptions = {}): Promise<Way> {
  const app = await startApp(t, appSpeaks)
  const protocol = appSpeaks === 'HTTP/1.1' ? 'http1' : 'http2'
  const pair = await startPair(t, app.address, { ...options, api: { inbound: { protocol }, ...options.api } })
  return { app, ...pair }
}

interface Opened {
  readonly client: Peer<Duplex>
  readonly app: Peer<Duplex>
}

async function open(t: Test, { web, app }: Way, speaks: Speaks, path?: string): Promise<Opened> {
  const asked = await ask(t, web.outbound, speaks, path)
  const handshake = await app.handshake()
  const peer = handshake.grant()
  const { status } = await asked.answer()
  t.equal(status, speaks === 'HTTP/1.1' ? 101 : 200)
  return { client: asked.peer, app: peer }
}

const versions = ['HTTP/1.1', 'HTTP/2'] as const
const ways = versions.flatMap((client) => versions.map((app) => [client, app] as const))

for (const [client, app] of ways) {
  t.test(`${client} to ${app}`, async (t) => {
    const way = await startWay(t, app)
    const { web, api } = way
    const asked = await ask(t, web.outbound, client)
    const handshake = await way.app.handshake()
    t.equal(handshake.target, '/chat?room=1')
    const { fields } = handshake
    t.match(fields, FIELDS)
    t.match(fields['x-forwarded-client-cert'], new RegExp(`URI=${idOf('web')}$`))
    t.notOk('x-outrider-protocol' in fields)
    const key = fields['sec-websocket-key']
    if (client === 'HTTP/1.1') t.equal(key, KEY, 'the key of the client')
    else if (app === 'HTTP/1.1') t.equal(Buffer.from(key ?? '', 'base64').length, 16, 'a key of ours')
    else t.equal(key, undefined, 'no key where none is needed')

    const theirs = handshake.grant()
    const { status, fields: answer } = await asked.answer()
    t.equal(status, client === 'HTTP/1.1' ? 101 : 200)
    t.equal(answer['sec-websocket-protocol'], 'chat')
    t.equal(answer['sec-websocket-accept'], client === 'HTTP/1.1' ? acceptOf(KEY) : undefined)

    const { peer } = asked
    const sent = randomBytes(300_000)
    const received = randomBytes(300_000)
    peer.socket.write(sent)
    theirs.socket.write(received)
    await theirs.until((text) => text.length === sent.length)
    await peer.until((text) => text.length === received.length)
    t.ok(theirs.bytes.equals(sent))
    t.ok(peer.bytes.equals(received))

    // Each half ends by itself.
    peer.socket.end('last')
    await theirs.until('last')
    t.equal(await theirs.end, 'ended')
    theirs.socket.end('bye')
    await peer.until('bye')
    t.equal(await peer.end, 'ended')
    const counted = { protocol: client, method: 'GET', path: '/chat', status: 101 }
    const bytes = { bytes_received: sent.length + 4, bytes_sent: received.length + 3 }
    t.match(await web.records.take(), { ...counted, ...bytes, reporter: 'outbound' })
    t.match(await api.records.take(), { ...counted, ...bytes, reporter: 'inbound', rule: 'default/all/rules[0]' })
    await eventually(() => api.runtime.load.inFlight === 0 && web.runtime.load.inFlight === 0, 'both forget it')
  })

  t.test(`${client} to ${app}: what comes before the grant waits for it`, async (t) => {
    const way = await startWay(t, app)
    const asked = await ask(t, way.web.outbound, client)
    // For both: HTTP/1.1 must have its answer first, or it would be a request.
    asked.peer.socket.write('early')
    const handshake = await way.app.handshake()
    if (client === 'HTTP/2') asked.peer.socket.end(' and over')
    const theirs = handshake.grant()
    t.match(await asked.answer(), { status: client === 'HTTP/1.1' ? 101 : 200 })
    if (client === 'HTTP/1.1') asked.peer.socket.end(' and over')
    t.equal(await theirs.all(), 'early and over')
    t.equal(await theirs.end, 'ended')
    theirs.socket.end('received')
    t.equal(await asked.peer.all(), 'received')
  })

  t.test(`${client} to ${app}: a reset on one side is one on the other`, async (t) => {
    const way = await startWay(t, app)
    for (const first of ['client', 'app'] as const) {
      const opened = await open(t, way, client)
      const [one, other] = first === 'client' ? [opened.client, opened.app] : [opened.app, opened.client]
      one.send('then')
      await other.until('then')
      reset(one)
      t.equal(await other.end, 'reset', `${first} first`)
      await eventually(() => way.api.runtime.load.inFlight === 0, 'it is over')
    }
  })
}

for (const app of versions) {
  t.test(`HTTP/2 to ${app}: a half that ends before the grant, without a byte`, async (t) => {
    const way = await startWay(t, app)
    const asked = await ask(t, way.web.outbound, 'HTTP/2')
    asked.peer.socket.end()
    const handshake = await way.app.handshake()
    const theirs = handshake.grant()
    t.equal(await theirs.end, 'ended')
    theirs.socket.end('alone')
    t.equal(await asked.peer.all(), 'alone')
  })
}

for (const client of versions) {
  t.test(`${client}: refused by the policy, nothing reaches the application`, async (t) => {
    const way = await startWay(t, 'HTTP/1.1', {
      policy: { policies: [allow('all'), deny('no', { to: [{ paths: ['/admin/{**}'], methods: ['GET'] }] })] },
    })
    const asked = await ask(t, way.web.outbound, client, '/admin/console')
    const { status, fields } = await asked.answer(/^denied-by-rule: .*\n$/)
    t.equal(status, 403)
    t.equal(fields['x-outrider-refusal'], 'denied-by-rule')
    const refused = { code: 'denied-by-rule', status: 403, path: '/admin/console', rule: 'default/no/rules[0]' }
    t.match(await way.api.records.take(), { ...refused, protocol: client })
    // The connection is fine, and so is the next handshake.
    await open(t, way, client)
  })

  t.test(`${client}: the application refuses in its own words`, async (t) => {
    const app = await rawApp(t)
    const { web } = await startPair(t, app.address, { api: { inbound: { protocol: 'http1' } } })
    const asked = await ask(t, web.outbound, client)
    const peer = await app.accept()
    await peer.until('\r\n\r\n')
    peer.send('HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\nContent-Length: 4\r\n\r\nno\r\n')
    const { status, fields } = await asked.answer(/^no\r\n$/)
    t.equal(status, 426)
    t.equal(fields['sec-websocket-version'], '8')
  })
}

t.test('a handshake that lacks something is the business of the application', async (t) => {
  const app = await rawApp(t)
  const { web } = await startPair(t, app.address)
  for (const fields of ['Sec-WebSocket-Version: 13\r\n', `Sec-WebSocket-Key: short\r\n`]) {
    const client = await dial(t, web.outbound)
    client.send(`GET / HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${fields}\r\n`)
    const peer = await app.accept()
    await peer.until('\r\n\r\n')
    t.strictSame(peer.text.match(/^sec-.*\r\n/gm), [fields.toLowerCase()], 'as it came')
    peer.send('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    await client.until('HTTP/1.1 400 Bad Request')
  }
})

t.test('an application that does not know what it grants opens nothing', async (t) => {
  const app = await rawApp(t)
  const { web, api } = await startPair(t, app.address, { api: { inbound: { protocol: 'http1' } } })
  const asked = await ask(t, web.outbound, 'HTTP/2')
  const peer = await app.accept()
  await peer.until('\r\n\r\n')
  peer.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  t.equal((await asked.answer(/^upstream-malformed: /)).status, 502)
  t.match(await api.records.take(), { status: 502, code: 'upstream-malformed' })
  t.not(await peer.end, undefined)

  const plain = await startHttp2App(t, () => t.fail('it has not said that it takes extended CONNECT'), {})
  const other = await startPair(t, plain.address, { api: { inbound: { protocol: 'http2' } } })
  const refused = await ask(t, other.web.outbound, 'HTTP/1.1')
  t.equal((await refused.answer(/^upstream-gone: /)).status, 502)
})

for (const [client, app] of ways) {
  t.test(`${client} to ${app}: idle for tunnelIdleTimeoutMs`, async (t) => {
    const clock = new TestClock(Date.now())
    const config = { tunnelIdleTimeoutMs: 600_000, requestIdleTimeoutMs: 1000, upstreamIdleTimeoutMs: 1000 }
    const way = await startWay(t, app, { web: { clock, config }, api: { clock, config } })
    const opened = await open(t, way, client)
    for (const [from, to] of [
      [opened.client, opened.app],
      [opened.app, opened.client],
    ] as const) {
      clock.advance(590_000)
      from.clear()
      to.clear()
      from.send('still here')
      await to.until('still here')
    }
    clock.advance(601_000)
    t.strictSame([await opened.client.end, await opened.app.end], ['reset', 'reset'])
    const { code } = await way.api.records.take()
    t.ok(code === 'timed-out' || code === 'client-gone', `${String(code)}: whichever sidecar swept first`)
    const codes = [code, (await way.web.records.take())['code']]
    t.ok(codes.includes('timed-out'), codes.join())
    t.equal(await way.api.metric('outrider_http_protocol_errors_total'), 0)
  })
}

const onlyWeb = (...paths: readonly string[]) =>
  policyOf({ policies: [allow('some', { from: [{ spiffeIds: [idOf('web')] }], to: [{ paths }] })] })

for (const client of versions) {
  t.test(`${client}: what a new policy does not allow is cut, and nothing else`, async (t) => {
    const way = await startWay(t, 'HTTP/1.1')
    const { web, api } = way
    const cut = await open(t, way, client, '/a')
    const kept = await open(t, way, client, '/b')
    api.policy.set(onlyWeb('/b'))
    t.equal(await cut.client.end, 'reset')
    t.equal(await cut.app.end, 'reset')
    t.match(await api.records.take(), {
      protocol: client,
      path: '/a',
      status: 101,
      code: 'permission-withdrawn',
      nearest_rule: 'default/some/rules[0]',
      failed: 'to.paths',
    })
    t.match(await api.lines.take(({ level }) => level === 'warn'), {
      message: /^ended: what was under way/,
      withdrawn: 1,
    })
    const labels = { refusal: 'permission-withdrawn', response_code: '101' }
    t.equal(await api.metric('outrider_requests_total', labels), 1)
    t.equal(await api.metric('outrider_authorization_decisions_total', { decision: 'deny' }), 1)
    t.match(await web.records.take(), { status: 101, code: 'upstream-gone' })

    kept.client.send('still')
    await kept.app.until('still')
    api.policy.set(policyOf({ policies: [allow('all'), deny('none', { from: [{ spiffeIds: [idOf('web')] }] })] }))
    t.equal(await kept.client.end, 'reset')
    t.match(await api.records.take(), { code: 'permission-withdrawn', rule: 'default/none/rules[0]' })
    t.equal(api.runtime.load.inFlight, 0)
  })

  t.test(`${client}: a policy that came while the application made up its mind`, async (t) => {
    const way = await startWay(t, 'HTTP/1.1')
    const { api, web, app } = way
    const asked = await ask(t, web.outbound, client, '/a')
    const handshake = await app.handshake()
    api.policy.set(onlyWeb('/b'))
    t.equal((await asked.answer(/^permission-withdrawn: .*\n$/)).status, 403)
    t.match(await handshake.grant().end, /^(ended|reset|closed)$/, 'the application is left alone')
    t.match(await api.records.take(), { status: 403, code: 'permission-withdrawn', path: '/a' })
  })
}
