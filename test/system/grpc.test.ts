// The gRPC interoperability cases through two sidecars, with client and server of grpc-js and of grpc-go each, and what a
// client learns when there is no answer of the server.
import { once } from 'node:events'
import { constants, createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import t, { type Test } from 'tap'
import type { Address } from '../../src/lib/address.ts'
import { boundAddress } from '../fixtures/app.ts'
import { goProgram } from '../fixtures/foreign.ts'
import {
  ECHO_INITIAL,
  ECHO_TRAILING,
  interopClient,
  type InteropClient,
  startInteropServer,
} from '../fixtures/interop.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { resource, startServices, type TestService } from '../fixtures/mesh.ts'
import { runProgram, startProgram, until } from '../fixtures/process.ts'
import { accepts, freePort } from '../fixtures/web-server.ts'
import { http2Session } from '../fixtures/websocket.ts'

checkLeaks(t)

const TEST_SERVICE = '/grpc.testing.TestService'
/** Methods of grpc.testing that no case calls. */
const DENIED = `${TEST_SERVICE}/HalfDuplexCall`
const LIMITED = `${TEST_SERVICE}/CacheableUnaryCall`

const body = (size: number): { body: Buffer } => ({ body: Buffer.alloc(size) })
const cancelled = 1
const trailingBytes = Buffer.from('ababab', 'hex')
const special = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n'

/** The cases by their names in the specification of the interoperability tests, with its sizes and texts. */
const cases: Readonly<Record<string, (t: Test, client: InteropClient) => Promise<void>>> = {
  empty_unary: async (t, { call }) => {
    t.match(await call('EmptyCall', [{}]), { code: 0, messages: { length: 1 } })
  },
  large_unary: async (t, { call }) => {
    const { code, messages } = await call('UnaryCall', [{ responseSize: 314_159, payload: body(271_828) }])
    t.equal(code, 0)
    t.equal(messages[0]?.payload?.body?.length, 314_159)
  },
  client_streaming: async (t, { call }) => {
    const requests = [27_182, 8, 1828, 45_904].map((size) => ({ payload: body(size) }))
    t.match(await call('StreamingInputCall', requests), { code: 0, messages: [{ aggregatedPayloadSize: 74_922 }] })
  },
  server_streaming: async (t, { call }) => {
    const sizes = [31_415, 9, 2653, 58_979]
    const { code, messages } = await call('StreamingOutputCall', [
      { responseParameters: sizes.map((size) => ({ size })) },
    ])
    t.equal(code, 0)
    t.same(
      messages.map(({ payload }) => payload?.body?.length),
      sizes,
    )
  },
  ping_pong: async (t, { open }) => {
    const call = open('FullDuplexCall')
    for (const [size, sent] of [
      [31_415, 27_182],
      [9, 8],
      [2653, 1828],
      [58_979, 45_904],
    ] as const) {
      call.send({ responseParameters: [{ size }], payload: body(sent) })
      t.equal((await call.next()).payload?.body?.length, size)
    }
    call.end()
    t.equal((await call.outcome).code, 0)
  },
  empty_stream: async (t, { call }) => {
    t.match(await call('FullDuplexCall', []), { code: 0, messages: { length: 0 } })
  },
  cancel_after_begin: async (t, { open }) => {
    const call = open('StreamingInputCall')
    call.cancel()
    t.equal((await call.outcome).code, cancelled)
  },
  cancel_after_first_response: async (t, { open }) => {
    const call = open('FullDuplexCall')
    call.send({ responseParameters: [{ size: 31_415 }], payload: body(27_182) })
    await call.next()
    call.cancel()
    t.equal((await call.outcome).code, cancelled)
  },
  timeout_on_sleeping_server: async (t, { open }) => {
    const call = open('FullDuplexCall', { deadlineMs: 1 })
    call.send({ payload: body(27_182) })
    t.equal((await call.outcome).code, 4)
  },
  custom_metadata: async (t, { call }) => {
    const fields = { [ECHO_INITIAL]: 'test_initial_metadata_value', [ECHO_TRAILING]: trailingBytes }
    for (const outcome of [
      await call('UnaryCall', [{ responseSize: 314_159, payload: body(271_828) }], { fields }),
      await call('FullDuplexCall', [{ responseParameters: [{ size: 314_159 }], payload: body(271_828) }], { fields }),
    ]) {
      t.equal(outcome.code, 0)
      t.same(outcome.initial.get(ECHO_INITIAL), [fields[ECHO_INITIAL]])
      t.same(outcome.trailing.get(ECHO_TRAILING), [trailingBytes])
    }
  },
  status_code_and_message: async (t, { call }) => {
    const responseStatus = { code: 2, message: 'test status message' }
    const wanted = { code: 2, details: 'test status message' }
    t.match(await call('UnaryCall', [{ responseStatus }]), wanted)
    t.match(await call('FullDuplexCall', [{ responseStatus }]), wanted)
  },
  special_status_message: async (t, { call }) => {
    const { code, details } = await call('UnaryCall', [{ responseStatus: { code: 2, message: special } }])
    t.equal(code, 2)
    t.equal(details, special)
  },
  unimplemented_method: async (t, { call }) => {
    t.equal((await call('UnimplementedCall', [{}])).code, 12)
  },
  unimplemented_service: async (t, { callPath }) => {
    t.equal((await callPath('/grpc.testing.UnimplementedService/UnimplementedCall')).code, 12)
  },
}

/** A message of no bytes, as it stands on the wire. */
const EMPTY_MESSAGE = Buffer.alloc(5)
const grpcHead = { ':status': 200, 'content-type': 'application/grpc' }

/** What a server must not do, by the path that asks for it. */
const misdeeds: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
  '/broken/Silent': () => {},
  '/broken/SilentAfterMessage': (stream) => {
    stream.respond(grpcHead)
    stream.write(EMPTY_MESSAGE)
  },
  '/broken/CutBefore': (stream) => stream.session?.destroy(),
  '/broken/CutAfter': (stream) => {
    stream.respond(grpcHead)
    stream.write(EMPTY_MESSAGE, () => stream.session?.destroy())
  },
  '/broken/Reset': (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  '/broken/NoGrpc': (stream) => {
    stream.respond({ ':status': 503, 'content-type': 'text/html' })
    stream.end('<p>down for maintenance</p>')
  },
}

interface BrokenServer {
  readonly port: number
  /** Paths of streams that the other side reset, with the error code. */
  readonly resets: readonly string[]
}

async function startBrokenServer(t: Test): Promise<BrokenServer> {
  const resets: string[] = []
  const server = createServer()
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    stream.on('aborted', () => resets.push(`${headers[':path']} ${stream.rstCode}`))
    stream.resume()
    misdeeds[String(headers[':path'])]?.(stream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { port: boundAddress(server).port, resets }
}

/** The interoperability server of grpc-go. */
async function startGoServer(t: Test, file: string): Promise<number> {
  const port = await freePort()
  startProgram(t, file, ['-port', String(port)])
  await until('the server of grpc-go listens', () => accepts(port))
  return port
}

const [goClient, goServer] = [await goProgram(t, 'interop-client'), await goProgram(t, 'interop-server')]
for (const program of [goClient, goServer]) {
  if (program.kind === 'missing') console.log(`note: grpc-go is left out: ${program.why}`)
}
const js = await startInteropServer(t)
const broken = await startBrokenServer(t)
const servers: readonly TestService[] = [
  { name: 'grpc-js', appPort: js.port, protocol: 'grpc', inbound: { protocol: 'grpc' } },
  // What it speaks is detected.
  ...(goServer.kind === 'found' ? [{ name: 'grpc-go', appPort: await startGoServer(t, goServer.file) }] : []),
]
const { web, outbound } = await startServices(
  t,
  [
    ...servers,
    { name: 'broken', appPort: broken.port, protocol: 'grpc', inbound: { protocol: 'grpc' } },
    { name: 'down', appPort: await freePort(), protocol: 'grpc', inbound: { protocol: 'grpc' } },
  ],
  {
    more: [
      resource('AuthorizationPolicy', 'denied', {
        workloads: ['orders'],
        action: 'DENY',
        rules: [{ name: 'half', to: [{ paths: [DENIED] }] }],
      }),
      resource('RateLimit', 'limited', {
        workloads: ['orders'],
        limits: [{ name: 'once', key: 'identity', requests: 1, per: '1h', to: [{ paths: [LIMITED] }] }],
      }),
    ],
  },
)

for (const { name } of servers) {
  t.test(`client of grpc-js, server of ${name}`, async (t) => {
    const ways = { 'by name': [web.outbound, name], 'by listener': [outbound(name), undefined] } as const
    for (const [way, [to, authority]] of Object.entries(ways)) {
      const client = interopClient(t, to, authority)
      for (const [title, run] of Object.entries(cases)) await t.test(`${title}, ${way}`, (t) => run(t, client))
    }
  })

  if (goClient.kind === 'found') {
    t.test(`client of grpc-go, server of ${name}`, async (t) => {
      const { host, port } = outbound(name)
      for (const title of Object.keys(cases)) {
        const target = ['-server_host', host, '-server_port', String(port), '-test_case', title]
        const { code, stderr } = await runProgram(t, goClient.file, target)
        t.equal(code, 0, `${title}: ${stderr.trim()}`)
      }
    })
  }
}

t.test('refusals say why, in the words of gRPC', async (t) => {
  const client = interopClient(t, web.outbound, 'grpc-js')
  const down = interopClient(t, web.outbound, 'down')
  const before = js.calls.length
  t.match(await client.callPath(DENIED), { code: 7, details: /./ }, 'not allowed')
  t.equal((await client.callPath(LIMITED)).code, 12, 'the first one is for the server to answer')
  t.match(await client.callPath(LIMITED), { code: 8, details: /./ }, 'limited')
  t.match(await down.call('EmptyCall', [{}]), { code: 14, details: /./ }, 'the application is down')
  t.match(await interopClient(t, web.outbound, 'elsewhere').call('EmptyCall', [{}]), { code: 12, details: /./ })
  t.equal(js.calls.length, before, 'nothing reached the server')
})

t.test('a server that breaks', async (t) => {
  const client = interopClient(t, web.outbound, 'broken')
  t.match(await client.callPath('/broken/CutBefore'), { code: 14, details: /./ })
  t.match(await client.callPath('/broken/CutAfter'), { code: 14, details: /./, messages: { length: 1 } })
  t.match(await client.callPath('/broken/Reset'), { code: 14, details: /./ })
  t.match(await client.callPath('/broken/NoGrpc'), { code: 14, details: /./ })
})

/** A call whose client sends a deadline and does not keep it. */
async function withDeadline(
  t: Test,
  to: Address,
  path: string,
): Promise<{ status: unknown; message: unknown; ms: number }> {
  const stream = http2Session(t, to).request(
    {
      ':method': 'POST',
      ':path': path,
      ':authority': 'broken',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': '300m',
    },
    { endStream: false },
  )
  const started = performance.now()
  stream.write(EMPTY_MESSAGE)
  stream.resume()
  const fields: Record<string, unknown> = {}
  stream.on('response', (head) => Object.assign(fields, head))
  stream.on('trailers', (trailers) => Object.assign(fields, trailers))
  await once(stream, 'end')
  return { status: fields['grpc-status'], message: fields['grpc-message'], ms: performance.now() - started }
}

t.test('the sidecar keeps the deadline that the client sent', async (t) => {
  for (const path of ['/broken/Silent', '/broken/SilentAfterMessage']) {
    const { status, message, ms } = await withDeadline(t, web.outbound, path)
    t.equal(Number(status), 4, path)
    t.ok(message, 'it says why')
    t.ok(ms > 290 && ms < 1500, `after ${Math.round(ms)} ms`)
    await until('the server is told', () => broken.resets.includes(`${path} ${constants.NGHTTP2_CANCEL}`))
  }
})
