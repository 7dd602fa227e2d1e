// TCP through the same exchange as HTTP: client socket, raw server codec, exchange, raw client codec, application socket.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { ResponseHead, StreamFault } from '../../../src/http/exchange.ts'
import { Exchange } from '../../../src/http/pump.ts'
import { RawClientConnection } from '../../../src/http/raw/client.ts'
import { RawServerConnection } from '../../../src/http/raw/server.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { Peer, type RawApp, rawApp } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const MIB = 1024 * 1024

interface TcpPath {
  client(): Promise<Peer>
  readonly finished: (string | undefined)[]
  /** Both sockets of the proxy, of every connection. */
  readonly sockets: readonly Socket[]
}

async function tcpPath(t: Test, port: number): Promise<TcpPath> {
  const sweep = new Sweep(systemClock)
  const sockets: Socket[] = []
  const finished: (string | undefined)[] = []
  const peers: Peer[] = []
  const options = { sweep, idleTimeoutMs: 60_000, onClosed: () => {} }
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.push(socket)
    const connection = new RawServerConnection(socket, {
      ...options,
      authority: 'db:5432',
      handler: (head, stream) => {
        const exchange: Exchange = new Exchange(stream, {
          onResponseHead: (response: ResponseHead) => response,
          onUpstreamFault: () => {},
          onResponseBroken: () => undefined,
          onFinished: (fault: StreamFault | undefined) => finished.push(fault?.code),
        })
        const upstream = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
        sockets.push(upstream)
        const refuse = (): void =>
          exchange.refuse({ status: 502, headers: [], bodyLength: 6, close: false }, Buffer.from('refuse'))
        upstream.once('error', refuse)
        upstream.once('connect', () => {
          upstream.off('error', refuse)
          exchange.forward(new RawClientConnection(upstream, options), head)
        })
        return exchange
      },
    })
    connection.start()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  t.teardown(async () => {
    for (const { socket } of peers) socket.destroy()
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return {
    sockets,
    finished,
    async client() {
      if (address === null || typeof address === 'string') throw new Error('the server has no port')
      const peer = new Peer(connect({ port: address.port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true }))
      peers.push(peer)
      await once(peer.socket, 'connect')
      return peer
    },
  }
}

async function open(t: Test): Promise<{ app: RawApp; path: TcpPath; client: Peer; upstream: Peer }> {
  const app = await rawApp(t)
  const path = await tcpPath(t, app.port)
  const client = await path.client()
  return { app, path, client, upstream: await app.accept() }
}

t.test('the client speaks first', async (t) => {
  const app = await rawApp(t)
  const path = await tcpPath(t, app.port)
  const client = (await path.client()).send('\0\x01query')
  const upstream = await app.accept()
  await upstream.until('\0\x01query')
  upstream.send('rows')
  await client.until('rows')
})

t.test('the server speaks first', async (t) => {
  const app = await rawApp(t, (peer) => void peer.send('220 ready\r\n'))
  const path = await tcpPath(t, app.port)
  const client = await path.client()
  await client.until('220 ready\r\n')
  const upstream = (await app.accept()).send('more')
  await client.until('more')
  client.send('EHLO a\r\n')
  await upstream.until('EHLO a\r\n')
})

t.test('each half ends by itself', async (t) => {
  for (const first of ['client', 'upstream'] as const) {
    const { path, ...ends } = await open(t)
    const [one, other] = first === 'client' ? [ends.client, ends.upstream] : [ends.upstream, ends.client]
    one.send('last').socket.end()
    await other.until('last')
    t.equal(await other.end, 'ended')
    for (const word of ['still', 'here']) {
      other.send(word)
      await one.until(word)
    }
    t.same(path.finished, [])
    other.socket.end()
    t.equal(await one.end, 'ended')
    for (const socket of path.sockets) if (!socket.closed) await once(socket, 'close')
    t.same(path.finished, [undefined], `${first} first`)
  }
})

t.test('a client that sends everything at once and ends', async (t) => {
  const app = await rawApp(t)
  const path = await tcpPath(t, app.port)
  const client = await path.client()
  const all = Buffer.alloc(MIB, 'x')
  client.socket.end(all)
  const upstream = await app.accept()
  t.equal(await upstream.end, 'ended')
  t.ok(upstream.bytes.equals(all))
  upstream.socket.end('done')
  t.equal(await client.all(), 'done')
})

t.test('a reset on one side is a reset on the other', async (t) => {
  for (const first of ['client', 'upstream'] as const) {
    const { path, client, upstream } = await open(t)
    const [one, other] = first === 'client' ? [client, upstream] : [upstream, client]
    one.send('x')
    await other.until('x')
    one.socket.resetAndDestroy()
    t.equal(await other.end, 'reset', `${first} first`)
    t.same(path.finished, [first === 'client' ? 'client-gone' : 'upstream-gone'])
  }
})

t.test('a reset after the other half has ended, before all of it was taken', async (t) => {
  const { client, upstream, path } = await open(t)
  client.socket.pause()
  // More than the sockets between hold: the end of it waits in the proxy.
  upstream.socket.end(Buffer.alloc(16 * MIB))
  client.send('x')
  await upstream.until('x')
  client.socket.resetAndDestroy()
  t.equal(await upstream.end, 'reset')
  t.same(path.finished, ['client-gone'])
})

t.test('without an application the client is reset, and gets not a byte', async (t) => {
  const unused = createServer()
  unused.listen(0, '127.0.0.1')
  await once(unused, 'listening')
  const address = unused.address()
  unused.close()
  await once(unused, 'close')
  const path = await tcpPath(t, address !== null && typeof address === 'object' ? address.port : 1)
  const client = await path.client()
  t.equal(await client.end, 'reset')
  t.equal(client.bytes.length, 0)
  t.same(path.finished, [undefined], 'refused')
})

for (const from of ['client', 'upstream'] as const)
  t.test(`backpressure: 64 MiB from the ${from} to a side that does not read`, async (t) => {
    const { path, client, upstream } = await open(t)
    const [source, target] = from === 'client' ? [client, upstream] : [upstream, client]
    target.socket.pause()
    const total = 64 * MIB
    const slice = Buffer.alloc(64 * 1024, 'y')
    let sent = 0
    let mostHeld = 0
    const measure = (): void => {
      const held = path.sockets.reduce((sum, socket) => sum + socket.writableLength + socket.readableLength, 0)
      mostHeld = Math.max(mostHeld, held)
    }
    let received = 0
    target.socket.removeAllListeners('data')
    target.socket.on('data', ({ length }) => {
      received += length
      measure()
    })
    target.socket.pause()
    const filled = new Promise<void>((resolve) => {
      const fill = (): void => {
        while (sent < total) {
          sent += slice.length
          if (source.socket.write(slice)) continue
          source.socket.once('drain', fill)
          return
        }
        source.socket.end()
        resolve()
      }
      fill()
    })
    // The source is stopped by what nobody takes; only reading lets it go on.
    let before = -1
    while (before !== source.socket.bytesWritten) {
      before = source.socket.bytesWritten
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      measure()
    }
    t.ok(sent < total, `${sent} bytes were taken before it stalled`)
    target.socket.resume()
    await filled
    t.equal(await target.end, 'ended')
    t.equal(received, total)
    t.ok(mostHeld <= 256 * 1024, `at most ${mostHeld} bytes held`)
  })
