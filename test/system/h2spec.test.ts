// h2spec, the conformance suite for HTTP/2 servers of summerwind: all its cases against every kind of listener that speaks
// HTTP/2.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http2'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import type { Address } from '../../src/lib/address.ts'
import { boundAddress, startApp } from '../fixtures/app.ts'
import { makeTestCa } from '../fixtures/ca.ts'
import { goProgram } from '../fixtures/foreign.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { identityFor, startServices, type TestMesh } from '../fixtures/mesh.ts'
import { runProgram, temporaryFolder } from '../fixtures/process.ts'

checkLeaks(t)

const CASES = 146
const NO_PREFACE = 'http2/3.5: Sends invalid connection preface'
/** For how long a case waits for what must come, in seconds. */
const CASE_TIMEOUT = '2'
/** Bodies of fewer than 5 bytes make h2spec leave cases out. */
const BODY = 'a body that a small window holds back\n'

interface Verdicts {
  readonly passed: number
  /** `SECTION: case`, and what was wrong. */
  readonly others: readonly string[]
}

async function h2spec(t: Test, file: string, { host, port }: Address, ...flags: readonly string[]): Promise<Verdicts> {
  const report = join(temporaryFolder(t), 'report.xml')
  const target = ['-h', host, '-p', String(port), ...flags]
  await runProgram(t, file, [...target, '-S', '-o', CASE_TIMEOUT, '-j', report], { withinMs: 300_000 })
  const cases = readFileSync(report, 'utf8').matchAll(
    /<testcase package="([^"]*)" classname="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g,
  )
  const others: string[] = []
  let passed = 0
  for (const [, section, name, verdict = ''] of cases) {
    if (verdict.trim() === '') passed += 1
    else others.push(`${section}: ${name}: ${verdict.replaceAll(/\s+/g, ' ').trim()}`)
  }
  return { passed, others }
}

/** An application that speaks HTTP/2 with prior knowledge and nothing else. */
async function startNodeHttp2(t: Test): Promise<Address> {
  const server = createServer((request, response) => {
    request.resume()
    response.on('error', () => {})
    response.end(BODY)
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.on('sessionError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { host: '127.0.0.1', port: boundAddress(server).port }
}

/** h2spec has no certificate to show. What it says over TLS is said again with one of the mesh, byte for byte. */
async function startRelay(t: Test, mesh: TestMesh, { host, port }: Address): Promise<Address> {
  const identity = await identityFor(mesh, 'web')
  const { chainPem, keyPem } = makeTestCa('relay.test').issue('/relay')
  const open = new Set<Socket>()
  const server = createTlsServer({ cert: chainPem, key: keyPem, ALPNProtocols: ['h2'] }, (client) => {
    const mutual = { ...identity, ALPNProtocols: ['h2'], rejectUnauthorized: false }
    const sidecar = connectTls({ host, port, ...mutual })
    for (const [socket, other] of [
      [client, sidecar],
      [sidecar, client],
    ] as const) {
      open.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        open.delete(socket)
        other.destroySoon()
      })
      socket.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { host: '127.0.0.1', port: boundAddress(server).port }
}

const program = await goProgram(t, 'h2spec')
if (program.kind === 'missing') {
  console.log(`note: h2spec is left out: ${program.why}`)
  t.pass('h2spec is not there')
} else {
  const { file } = program
  const http2 = await startNodeHttp2(t)
  const http1 = async (): Promise<number> => (await startApp(t, (_, response) => response.end(BODY))).address.port
  const { mesh, web, inbound, nameByAddress } = await startServices(
    t,
    [
      { name: 'http2', appPort: http2.port, protocol: 'http2' },
      { name: 'open', appPort: await http1(), inbound: { protocol: 'http1', mode: 'permissive' } },
      { name: 'strict', appPort: await http1(), inbound: { protocol: 'http1' } },
    ],
    // Whoever connects to the permissive port in clear has no identity.
    { rules: [{ name: 'everybody' }] },
  )
  await nameByAddress('http2')

  const listeners: Readonly<Record<string, () => Promise<readonly [Address, ...string[]]>>> = {
    'outbound, in clear, to an application with HTTP/2': async () => [web.outbound],
    'inbound, permissive, in clear, to an application with HTTP/1': async () => [inbound('open')],
    'inbound, mutual TLS, to an application with HTTP/1': async () => [
      await startRelay(t, mesh, inbound('strict')),
      '-t',
      '-k',
    ],
  }
  for (const [listener, target] of Object.entries(listeners)) {
    t.test(listener, async (t) => {
      const { passed, others } = await h2spec(t, file, ...(await target()))
      t.comment(`h2spec, ${listener}: ${passed} of ${CASES}`)
      // A port in clear tells protocols by their first bytes: what is no preface is no HTTP/2 there, and is answered as such.
      const expected = listener.includes('in clear') ? others.filter((other) => other.startsWith(NO_PREFACE)) : []
      t.same(others, expected)
      t.equal(passed, CASES - expected.length)
    })
  }

  t.test('node:http2 beside it: the suite finds what is wrong', async (t) => {
    const { passed, others } = await h2spec(t, file, http2)
    t.comment(`h2spec, node:http2: ${passed} of ${CASES}`)
    t.equal(passed + others.length, CASES)
    t.ok(others.length > 0)
  })
}
