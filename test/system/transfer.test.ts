// One GiB in each direction over every protocol: what arrives has the SHA-256 of what was sent, and the sidecars pass it on
// instead of keeping it.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttp1, request } from 'node:http'
import { createServer as createHttp2, type ServerHttp2Session } from 'node:http2'
import { connect, createServer as createTcp, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import grpc from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws'
import { type Address, formatAddress } from '../../src/lib/address.ts'
import { boundAddress } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { startServices, type TestService } from '../fixtures/mesh.ts'
import { digestOf, feed, peakMemoryMib, resetPeakMemory, Source } from '../fixtures/streams.ts'
import { http2Session } from '../fixtures/websocket.ts'

checkLeaks(t)

const BYTES = 1024 * 1024 * 1024
/** What a sidecar may have in memory while a GiB passes: itself, and what a garbage collector has not come to yet. */
const PEAK_MIB = 400

/** An application that sends `BYTES` and that answers what it is sent with the SHA-256, and its client. */
interface Protocol {
  /** The port of the application. */
  readonly appPort: number
  readonly service: Omit<TestService, 'name' | 'appPort'>
  /** What the client gets; the source is the application's. */
  readonly down: (to: Address, name: string) => Promise<{ readonly received: string; readonly sent: string }>
  readonly up: (to: Address, name: string, source: Source) => Promise<string>
}

async function listening(t: Test, server: Server, close: () => void = () => {}): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    close()
  })
  return boundAddress(server).port
}

async function http1(t: Test): Promise<Protocol> {
  let source = new Source(0)
  const server = createHttp1((asked, response) => {
    if (asked.method === 'GET') {
      source = new Source(BYTES)
      source.pipe(response)
    } else void digestOf(asked).then((digest) => response.end(digest))
  })
  return {
    appPort: await listening(t, server, () => server.closeAllConnections()),
    service: {},
    down: async (to, host) => {
      const asked = request({ ...to, agent: false, headers: { host } }).end()
      const [response] = await once(asked, 'response')
      return { received: await digestOf(response), sent: source.digest }
    },
    up: async (to, host, body) => {
      const asked = request({ ...to, agent: false, method: 'PUT', headers: { host } })
      const answered = once(asked, 'response')
      await pipeline(body, asked)
      const [response] = await answered
      return text(response)
    },
  }
}

async function http2(t: Test): Promise<Protocol> {
  let source = new Source(0)
  const server = createHttp2()
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers) => {
    stream.respond({ ':status': 200 })
    if (headers[':method'] === 'GET') {
      source = new Source(BYTES)
      source.pipe(stream)
    } else void digestOf(stream).then((digest) => stream.end(digest))
  })
  return {
    appPort: await listening(t, server, () => {
      for (const session of sessions) session.destroy()
    }),
    service: { protocol: 'http2', inbound: { protocol: 'http2' } },
    down: async (to, authority) => {
      const stream = http2Session(t, to).request({ ':path': '/', ':authority': authority })
      return { received: await digestOf(stream), sent: source.digest }
    },
    up: async (to, authority, body) => {
      const stream = http2Session(t, to).request({ ':method': 'PUT', ':path': '/', ':authority': authority })
      const answer = text(stream)
      body.pipe(stream)
      return answer
    },
  }
}

const same = (bytes: Buffer): Buffer => bytes
const bytesAsTheyAre = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
}

async function grpcStream(t: Test): Promise<Protocol> {
  let source = new Source(0)
  const methods = {
    Down: { path: '/transfer.Bytes/Down', requestStream: false, responseStream: true, ...bytesAsTheyAre },
    Up: { path: '/transfer.Bytes/Up', requestStream: true, responseStream: false, ...bytesAsTheyAre },
  }
  const server = new grpc.Server()
  server.addService(methods, {
    Down: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      source = new Source(BYTES)
      void feed(source, call)
    },
    Up: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      const answer = (digest: string): void => done(null, Buffer.from(digest))
      void digestOf(call).then(answer)
    },
  })
  t.teardown(() => server.forceShutdown())
  const appPort = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
  const clientOf = (to: Address, name: string): grpc.Client => {
    const client = new grpc.Client(formatAddress(to), grpc.credentials.createInsecure(), {
      'grpc.default_authority': name,
    })
    t.teardown(() => client.close())
    return client
  }
  return {
    appPort,
    service: { protocol: 'grpc', inbound: { protocol: 'grpc' } },
    down: async (to, name) => {
      const { path } = methods.Down
      const empty = Buffer.alloc(0)
      const call = clientOf(to, name).makeServerStreamRequest(path, same, same, empty)
      return { received: await digestOf(call), sent: source.digest }
    },
    up: (to, name, body) =>
      new Promise((resolve, reject) => {
        const { path } = methods.Up
        const call = clientOf(to, name).makeClientStreamRequest(path, same, same, (error, digest) =>
          error === null ? resolve(String(digest)) : reject(error),
        )
        void feed(body, call)
      }),
  }
}

async function webSocket(t: Test): Promise<Protocol> {
  let source = new Source(0)
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', (socket, asked) => {
    const stream = createWebSocketStream(socket)
    stream.on('error', () => {})
    if (asked.url === '/down') {
      source = new Source(BYTES)
      source.pipe(stream)
      return
    }
    // A WebSocket has no end of one half: the application knows how much comes.
    const hash = createHash('sha256')
    let left = BYTES
    stream.on('data', (part: Buffer) => {
      hash.update(part)
      left -= part.length
      if (left === 0) stream.end(hash.digest('hex'))
    })
  })
  await once(server, 'listening')
  t.teardown(() => server.close())
  return {
    appPort: boundAddress(server).port,
    service: {},
    down: async (to, host) => {
      const stream = openWebSocket(to, host, '/down')
      return { received: await digestOf(stream), sent: source.digest }
    },
    up: async (to, host, body) => {
      const stream = openWebSocket(to, host, '/up')
      const answer = text(stream)
      body.pipe(stream, { end: false })
      return answer
    },
  }
}

function openWebSocket({ host, port }: Address, service: string, path: string): Duplex {
  const headers = { host: service }
  return createWebSocketStream(new WebSocket(`ws://${host}:${port}${path}`, { headers, perMessageDeflate: false }))
}

/** The end of one half is part of it: the client's comes first, and the application answers after it. */
async function tcp(t: Test): Promise<Protocol> {
  let source = new Source(0)
  const sockets = new Set<Socket>()
  const server = createTcp({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    const answer = (digest: string): void => {
      if (socket.bytesRead > 0) socket.end(digest)
      else {
        source = new Source(BYTES)
        source.pipe(socket)
      }
    }
    void digestOf(socket).then(answer)
  })
  const open = (to: Address): Socket => {
    const socket = connect({ ...to, allowHalfOpen: true })
    t.teardown(() => socket.destroy())
    return socket
  }
  return {
    appPort: await listening(t, server, () => {
      for (const socket of sockets) socket.destroy()
    }),
    service: { protocol: 'tcp', inbound: { protocol: 'tcp' } },
    down: async (to) => ({ received: await digestOf(open(to).end()), sent: source.digest }),
    up: async (to, _name, body) => {
      const socket = open(to)
      const answer = text(socket)
      body.pipe(socket)
      return answer
    },
  }
}

const protocols: Readonly<Record<string, Protocol>> = {
  'http/1.1': await http1(t),
  'http/2': await http2(t),
  grpc: await grpcStream(t),
  websocket: await webSocket(t),
  tcp: await tcp(t),
}
const { web, orders, outbound } = await startServices(
  t,
  Object.entries(protocols).map(([name, { appPort, service }]) => ({ name: serviceName(name), appPort, ...service })),
)

function serviceName(protocol: string): string {
  return protocol.replaceAll(/\W/g, '-')
}

for (const [name, { up, down }] of Object.entries(protocols)) {
  t.test(name, async (t) => {
    const service = serviceName(name)
    const to = outbound(service)
    const directions: Readonly<Record<string, () => Promise<{ readonly received: string; readonly sent: string }>>> = {
      down: () => down(to, service),
      up: async () => {
        const source = new Source(BYTES)
        return { received: await up(to, service, source), sent: source.digest }
      },
    }
    for (const [direction, run] of Object.entries(directions)) {
      for (const { pid } of [web, orders]) resetPeakMemory(pid)
      const started = performance.now()
      const { received, sent } = await run()
      const seconds = (performance.now() - started) / 1000
      t.equal(received, sent, direction)
      const peaks = [web, orders].map(({ pid }) => peakMemoryMib(pid))
      t.comment(
        `1 GiB ${direction}, ${name}: ${seconds.toFixed(1)} s, at most ${peaks.join(' and ')} MiB in the sidecars`,
      )
      for (const peak of peaks) t.ok(peak < PEAK_MIB, `${peak} MiB`)
    }
  })
}
