import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import type { DetectedProtocol } from '../../../src/http/detect.ts'
import { UNKNOWN_LENGTH } from '../../../src/http/exchange.ts'
import { RawServerConnection } from '../../../src/http/raw/server.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import { Terminator } from '../../../src/mtls/server.ts'
import { detectFirstBytes } from '../../../src/sidecar/first-bytes.ts'
import { boundAddress } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { nextTurn, Peer } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { clientTls, credentialsOf, TRUST_DOMAIN } from '../../fixtures/sidecar.ts'

checkLeaks(t)

const TIMEOUT_MS = 10_000

interface Detected {
  readonly protocol: DetectedProtocol
  readonly socket: Socket
}

class Listener {
  readonly clock: TestClock = new TestClock()
  /** Accepted, detected or not. */
  readonly sockets: Socket[] = []
  readonly detected: Detected[] = []
  readonly server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    this.sockets.push(socket)
    socket.on('error', () => {})
    detectFirstBytes(socket, this.#sweep, TIMEOUT_MS, (protocol) => {
      const found = { protocol, socket }
      this.detected.push(found)
      for (const resolve of this.#waiting.splice(0)) resolve(found)
      this.onDetected(found)
    })
  })
  readonly #sweep = new Sweep(this.clock)
  #waiting: ((found: Detected) => void)[] = []
  readonly onDetected: (found: Detected) => void

  constructor(onDetected: (found: Detected) => void) {
    this.onDetected = onDetected
  }

  get port(): number {
    return boundAddress(this.server).port
  }

  next(): Promise<Detected> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  connect(t: Test): Socket {
    const socket = connect({ port: this.port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    t.teardown(() => socket.destroy())
    return socket
  }
}

async function listener(t: Test, onDetected: (found: Detected) => void = () => {}): Promise<Listener> {
  const made = new Listener(onDetected)
  made.server.listen(0, '127.0.0.1')
  await once(made.server, 'listening')
  t.teardown(async () => {
    for (const socket of made.sockets) socket.destroy()
    made.server.close()
    await once(made.server, 'close')
  })
  return made
}

/** Sends `bytes` in parts, each when the one before has been looked at. */
async function sendParts(
  socket: Socket,
  bytes: Buffer,
  cuts: readonly number[],
  accepted: () => Socket | undefined,
): Promise<void> {
  let from = 0
  for (const at of [...cuts, bytes.length]) {
    while ((accepted()?.bytesRead ?? 0) < from) await nextTurn()
    socket.write(bytes.subarray(from, at))
    from = at
  }
}

const samples: readonly (readonly [string, DetectedProtocol])[] = [
  ['OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 'http1'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'http2'],
  ['PUBLISH channel\r\n', 'tcp'],
]

for (const [text, protocol] of samples)
  t.test(`${protocol}: whoever reads next has every byte, wherever they are cut`, async (t) => {
    // A codec listens to `data` as soon as it has the socket, or later.
    for (const later of [false, true])
      for (let at = 0; at <= text.length; at += 1) {
        const peers: Peer[] = []
        const take = ({ socket }: Detected): void => void peers.push(new Peer(socket))
        const entry = await listener(t, later ? (found) => setImmediate(take, found) : take)
        const found = entry.next()
        const client = entry.connect(t)
        await sendParts(client, Buffer.from(text, 'latin1'), [at], () => entry.sockets[0])
        t.equal((await found).protocol, protocol, `${at}`)
        client.end('the rest')
        while (peers.length === 0) await nextTurn()
        t.equal(await peers[0]?.all(), `${text}the rest`)
        t.equal(entry.detected.length, 1)
      }
  })

t.test('a client that ends before it has shown more than a beginning', async (t) => {
  const peers: Peer[] = []
  const entry = await listener(t, ({ socket }) => peers.push(new Peer(socket)))
  for (const text of ['GET', 'PRI * HTTP/2.0', '\x16']) {
    const found = entry.next()
    entry.connect(t).end(text, 'latin1')
    t.equal((await found).protocol, 'tcp')
    t.equal(await peers.at(-1)?.all(), text)
    t.equal(await peers.at(-1)?.end, 'ended')
  }
  for (const text of ['GET', 'PRI * HTTP/2.0', '\x16']) {
    const found = entry.next()
    const count = entry.sockets.length
    const client = entry.connect(t)
    client.write(text, 'latin1')
    while ((entry.sockets[count]?.bytesRead ?? 0) < text.length) await nextTurn()
    client.end()
    t.equal((await found).protocol, 'tcp')
    t.equal(await peers.at(-1)?.all(), text)
  }
})

t.test('a client that goes without a byte is closed, and nobody hears of it', async (t) => {
  const entry = await listener(t)
  const ended = entry.connect(t)
  ended.resume().end()
  await once(ended, 'close')
  const reset = entry.connect(t)
  await once(reset, 'connect')
  while (entry.sockets.length < 2) await nextTurn()
  const closed = new Promise((resolve) => entry.sockets[1]!.once('close', resolve))
  reset.resetAndDestroy()
  await closed
  t.ok(entry.sockets.every(({ destroyed }) => destroyed))
  entry.clock.advance(TIMEOUT_MS + 1000)
  t.same(entry.detected, [])
})

t.test('a client that shows nothing in time speaks TCP, and its beginning is not lost', async (t) => {
  const peers: Peer[] = []
  const entry = await listener(t, ({ socket }) => peers.push(new Peer(socket)))
  for (const text of ['', 'POS']) {
    const client = entry.connect(t)
    await once(client, 'connect')
    if (text !== '') client.write(text)
    const count = peers.length
    while (entry.sockets.length <= count || entry.sockets[count]!.bytesRead < text.length) await nextTurn()
    entry.clock.advance(TIMEOUT_MS - 1)
    t.equal(peers.length, count)
    entry.clock.advance(1001)
    t.equal(entry.detected.at(-1)?.protocol, 'tcp')
    entry.detected.at(-1)?.socket.write('220 ready')
    const [greeting] = await once(client, 'data')
    t.equal(String(greeting), '220 ready')
    client.write('T / HTTP/1.1')
    await peers.at(-1)?.until(`${text}T / HTTP/1.1`)
  }
})

t.test('a raw codec takes the bytes when its exchange is granted', async (t) => {
  const received: string[] = []
  const { promise: whole, resolve: ended } = Promise.withResolvers<void>()
  const entry = await listener(t, ({ socket }) => {
    new RawServerConnection(socket, {
      authority: 'db:5432',
      sweep: new Sweep(entry.clock),
      idleTimeoutMs: 1000,
      onClosed: () => {},
      handler: (_head, stream) => {
        setImmediate(() => stream.respond({ status: 200, headers: [], bodyLength: UNKNOWN_LENGTH, close: false }))
        return {
          requestData: (slice) => received.push(slice.toString()) > 0,
          requestEnd: () => ended(),
          requestAborted: () => ended(),
          responseDrained: () => {},
        }
      },
    }).start()
  })
  const found = entry.next()
  const client = entry.connect(t)
  await sendParts(client, Buffer.from('PUBLISH '), [4], () => entry.sockets[0])
  client.write('channel')
  t.equal((await found).protocol, 'tcp')
  client.end(' message')
  await whole
  t.equal(received.join(''), 'PUBLISH channel message')
})

t.test('a ClientHello goes to TLS as if nobody had looked, wherever it is cut', async (t) => {
  const ca = makeTestCa(TRUST_DOMAIN)
  const credentials = new WatchCell(credentialsOf(ca.issue('/ns/default/sa/api'), ca.bundles()))
  const terminator = new Terminator(credentials, 10_000)
  t.teardown(() => terminator.close())
  const web = ca.issue('/ns/default/sa/web')
  const secured: TLSSocket[] = []
  const failures: Error[] = []
  const entry = await listener(t, ({ socket }) =>
    terminator.terminate(socket, {
      onSecured: (tls) => {
        secured.push(tls)
        tls.pipe(tls)
      },
      onFailed: (error) => void failures.push(error),
    }),
  )
  t.teardown(() => {
    for (const tls of secured) tls.destroy()
  })
  const payload = Buffer.alloc(100_000, 'payload ')
  // Between client and listener, what the client writes first is sent in parts that the listener looks at one by one.
  for (const cuts of [[], [1], [2], [1, 2], [5], [100], [1, 2, 3, 4, 5, 6]]) {
    const found = entry.next()
    const relay = createServer((inner) => {
      const outer = entry.connect(t)
      outer.on('data', (bytes) => inner.write(bytes))
      inner.on('error', () => {})
      const count = entry.sockets.length
      inner.once('data', (hello) => {
        void sendParts(outer, hello, cuts, () => entry.sockets[count]).then(() =>
          inner.on('data', (bytes) => outer.write(bytes)),
        )
      })
    })
    relay.listen(0, '127.0.0.1')
    await once(relay, 'listening')
    const socket = connect({ port: boundAddress(relay).port, host: '127.0.0.1' })
    const client = connectTls({ ...clientTls(ca, web), socket })
    await once(client, 'secureConnect')
    t.equal((await found).protocol, 'tls')
    client.write(payload)
    let echoed = 0
    while (echoed < payload.length) echoed += (await once(client, 'data'))[0].length
    t.equal(client.getProtocol(), 'TLSv1.3')
    t.ok(secured.at(-1)?.getPeerX509Certificate()?.raw.equals(web.chainDer[0]!), 'and the client is who it is')
    client.destroy()
    socket.destroy()
    relay.close()
    await once(relay, 'close')
  }
  t.same(failures, [])
})
