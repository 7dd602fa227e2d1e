// `outrider apply` takes a permission away from what is under way: a gRPC stream, a WebSocket, a TCP connection and a download
// through two sidecars end within a second, each with the reason in the access log, and what is still allowed goes on.
import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { status } from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { Address } from '../../src/lib/address.ts'
import { boundAddress, startApp } from '../fixtures/app.ts'
import { begin, grpcClient, startGrpcApp } from '../fixtures/grpc.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { idOf, resource, startServices } from '../fixtures/mesh.ts'
import { startWebSocketEcho } from '../fixtures/websocket.ts'

checkLeaks(t)

const WITHIN_MS = 1000

async function startEcho(t: Test): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return boundAddress(server).port
}

/** Something that is under way. */
interface UnderWay {
  /** With the time of its end and how it looks to the client. */
  readonly over: Promise<{ readonly atMs: number; readonly how: string }>
  /** Says something and hears it. */
  readonly works: () => Promise<void>
}

type Over = (how: string) => void

function underWay(start: (over: Over) => () => Promise<void>): UnderWay {
  const { promise, resolve } = Promise.withResolvers<{ atMs: number; how: string }>()
  const works = start((how) => resolve({ atMs: performance.now(), how }))
  return { over: promise, works }
}

function openTcp(t: Test, { host, port }: Address): UnderWay {
  return underWay((over) => {
    const socket = connect({ host, port })
    t.teardown(() => socket.destroy())
    let how = 'ended'
    socket.on('error', ({ message }) => (how = message))
    socket.once('close', () => over(how))
    return async () => {
      socket.write('hello')
      await once(socket, 'data')
    }
  })
}

function openWebSocket(t: Test, { host, port }: Address, name: string, path: string): UnderWay {
  return underWay((over) => {
    const socket = new WebSocket(`ws://${host}:${port}${path}`, { headers: { host: name } })
    t.teardown(() => socket.terminate())
    socket.on('error', () => {})
    socket.once('close', (code) => over(String(code)))
    return async () => {
      if (socket.readyState !== WebSocket.OPEN) await once(socket, 'open')
      socket.send('hello')
      await once(socket, 'message')
    }
  })
}

function openDownload(t: Test, { host, port }: Address, name: string, path: string): UnderWay {
  return underWay((over) => {
    const sent = httpRequest({ host, port, path, agent: false, headers: { host: name } }).end()
    t.teardown(() => sent.destroy())
    sent.on('error', () => {})
    const answered = new Promise<IncomingMessage>((resolve) => sent.once('response', resolve))
    void answered.then((response) => {
      response.on('error', () => {})
      response.once('close', () => over(response.complete ? 'whole' : 'cut'))
    })
    return async () => void (await once(await answered, 'data'))
  })
}

function openCall(t: Test, to: Address, method: string): UnderWay {
  return underWay((over) => {
    const { stream, outcome } = begin(grpcClient(t, to, 'calls'), method)
    t.teardown(() => stream.cancel())
    void outcome.then(({ status: { code, metadata } }) =>
      over([code, ...metadata.get('x-outrider-refusal')].map(String).join(' ')),
    )
    return async () => {
      stream.write(Buffer.from('hello'))
      await once(stream, 'data')
    }
  })
}

t.test('what is under way ends when its permission does', async (t) => {
  const web = await startApp(t, (_request, response) => {
    response.write('begun')
    const drip = setInterval(() => response.write('more'), 50)
    response.once('close', () => clearInterval(drip))
  })
  const sockets = await startWebSocketEcho(t)
  const calls = await startGrpcApp(t)
  const [cutTcp, keptTcp] = [await startEcho(t), await startEcho(t)]
  const tcp = { protocol: 'tcp', inbound: { protocol: 'tcp' } } as const
  const { mesh, orders, outbound } = await startServices(
    t,
    [
      { name: 'web', appPort: web.address.port },
      { name: 'sockets', appPort: sockets.port },
      { name: 'calls', appPort: calls.port, inbound: { protocol: 'grpc' } },
      { name: 'cut', appPort: cutTcp, ...tcp },
      { name: 'kept', appPort: keptTcp, ...tcp },
    ],
    { orders: ['--access-log', 'all'] },
  )
  const toSockets = outbound('sockets')
  const cut = {
    'gRPC stream': openCall(t, outbound('calls'), 'Chat'),
    WebSocket: openWebSocket(t, toSockets, 'sockets', '/a'),
    download: openDownload(t, outbound('web'), 'web', '/a'),
    'TCP connection': openTcp(t, outbound('cut')),
  }
  const kept = {
    WebSocket: openWebSocket(t, toSockets, 'sockets', '/b'),
    download: openDownload(t, outbound('web'), 'web', '/b'),
    'TCP connection': openTcp(t, outbound('kept')),
  }
  await Promise.all([...Object.values(cut), ...Object.values(kept)].map(({ works }) => works()))

  const rule = { name: 'less', from: [{ spiffeIds: [idOf('web')] }], to: [{ paths: ['/b'] }, { ports: [keptTcp] }] }
  const began = performance.now()
  await mesh.apply(resource('AuthorizationPolicy', 'orders', { workloads: ['orders'], action: 'ALLOW', rules: [rule] }))
  const applied = performance.now()
  const looks: Readonly<Record<string, RegExp>> = {
    'gRPC stream': new RegExp(`^${status.PERMISSION_DENIED} permission-withdrawn$`),
    WebSocket: /^1006$/,
    download: /^cut$/,
    'TCP connection': /ECONNRESET/,
  }
  for (const [name, { over }] of Object.entries(cut)) {
    const { atMs, how } = await over
    t.match(how, looks[name], name)
    t.ok(atMs - applied <= WITHIN_MS, `${name}: within a second`)
    const after = (from: number): string => `${(atMs - from).toFixed(0)} ms`
    console.log(`note: ${name} closed ${after(began)} after apply began, ${after(applied)} after it returned`)
  }
  const reasons = ['/test.Echo/Chat', '/a', '/a', '']
  for (const [index, name] of Object.keys(cut).entries()) {
    const path = reasons[index]!
    const port = [calls.port, sockets.port, web.address.port, cutTcp][index]!
    const line = new RegExp(`"path":"${path}".*"code":"permission-withdrawn".*"upstream":"127.0.0.1:${port}"`)
    t.match(await orders.line(line), /"failed":"to/, `${name}: the reason is in the access log`)
  }
  await Promise.all(Object.values(kept).map(({ works }) => works()))
  t.pass('what is still allowed goes on')
})
