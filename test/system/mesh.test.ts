import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { type Address, formatAddress } from '../../src/lib/address.ts'
import { boundAddress } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { idOf, knowsEndpoints, ordersResources, resource, startMesh, startPair, type Pair } from '../fixtures/mesh.ts'
import { type Ended, findProgram, runProgram, temporaryFolder } from '../fixtures/process.ts'
import { sha256, startWebServer, type WebServer } from '../fixtures/web-server.ts'

checkLeaks(t)

const LARGE_BYTES = 50 * 1024 * 1024
const curl = findProgram('curl')
const openssl = findProgram('openssl')

interface Setting {
  readonly app: WebServer
  readonly pair: Pair
  readonly inbound: Address
}

/** One mesh for the tests of this file: web -> orders, which is a web server and a chat. */
async function start(t: Test): Promise<Setting> {
  const app = await startWebServer(t)
  if (app.name !== 'nginx') console.log('note: nginx is not installed: the application is a node:http server')
  writeFileSync(join(app.root, 'item'), 'an item\n')
  writeFileSync(join(app.root, 'secret'), 'a secret\n')
  const chat = await startChat(t)
  const mesh = await startMesh(t)
  const limit = { name: 'few', key: 'identity', requests: 3, per: '1h', to: [{ paths: ['/few'] }] }
  await mesh.apply(
    [
      ordersResources(app.port, {
        methods: ['GET', 'HEAD', 'PUT', 'POST'],
        paths: ['/item', '/none', '/few', '/large', '/upload', '/caller', '/chat'],
      }),
      resource('RateLimit', 'orders', { workloads: ['orders'], limits: [limit] }),
    ].join('\n---\n'),
  )
  const pair = await startPair(mesh, app.port, { orders: ['--inbound', `127.0.0.1:0=${formatAddress(chat)}`] })
  // Node's WebSocket names the address that it connects to as its host, so that the service has that name.
  const { host, port } = pair.web.outbound
  const ports = [{ port, targetPort: chat.port }]
  await mesh.apply(resource('Service', 'chat', { hosts: [host], ports, workloads: ['orders'] }))
  await knowsEndpoints(pair.web, 2)
  return { app, pair, inbound: pair.orders.inbound[0]! }
}

const setting = await start(t)
const outbound = formatAddress(setting.pair.web.outbound)

/** curl, as an application would call it. */
function call(t: Test, path: string, ...args: readonly string[]): Promise<Ended> {
  return runProgram(t, curl!, ['-sS', '--max-time', '60', '-H', 'Host: orders', ...args, `http://${outbound}${path}`])
}

async function statusOf(t: Test, path: string, ...args: readonly string[]): Promise<number> {
  const { code, stdout, stderr } = await call(t, path, '-o', '/dev/null', '-w', '%{http_code}', ...args)
  t.equal(code, 0, stderr)
  return Number(stdout)
}

t.test('what is allowed, denied, limited and unknown', async (t) => {
  const { app, pair } = setting
  const status = async (path: string): Promise<number> => (await pair.send(path)).status
  t.equal((await pair.send('/item')).text, 'an item\n')
  t.match((await pair.send('/caller')).text, new RegExp(`URI=${idOf('web')}$`))
  t.equal(await status('/none'), 404, 'the application answers for itself')
  writeFileSync(join(app.root, 'few'), '')
  const before = app.requests()
  t.match(await pair.send('/secret'), { status: 403, headers: { 'x-outrider-refusal': 'no-allow-rule' } })
  t.equal((await pair.send('/item', { method: 'DELETE' })).status, 403)
  t.equal((await pair.send('/item', { headers: { host: 'elsewhere' } })).status, 404)
  t.equal(app.requests(), before, 'what is refused never reaches the application')
  t.same([await status('/few'), await status('/few'), await status('/few')], [200, 200, 200])
  t.match(await pair.send('/few'), { status: 429, headers: { 'retry-after': /^\d+$/ } })
})

t.test('a large file arrives as it was sent, in both directions', async (t) => {
  const { app, pair } = setting
  const content = randomBytes(LARGE_BYTES)
  const wanted = sha256(content)
  writeFileSync(join(app.root, 'large'), content)
  t.equal(sha256((await pair.send('/large')).body), wanted, 'down')
  const framings = { length: { 'content-length': LARGE_BYTES }, chunked: { 'transfer-encoding': 'chunked' } }
  for (const [name, headers] of Object.entries(framings)) {
    const stored = await pair.send('/upload', { method: 'PUT', headers, body: content })
    t.equal(stored.status, 200)
    t.equal(sha256(readFileSync(String(stored.headers['x-file']))), wanted, `up, ${name}`)
  }
})

if (curl === undefined) console.log('note: curl is not installed: the tests with it are left out')
else {
  t.test('curl: large file, chunked upload, HEAD, keep-alive', async (t) => {
    const { app } = setting
    const folder = temporaryFolder(t)
    const content = randomBytes(LARGE_BYTES)
    writeFileSync(join(app.root, 'large'), content)
    t.equal((await call(t, '/large', '-o', join(folder, 'down'))).code, 0)
    t.ok(readFileSync(join(folder, 'down')).equals(content), 'down')
    for (const framing of [[], ['-H', 'Transfer-Encoding: chunked']]) {
      const { stdout } = await call(t, '/upload', '-T', join(app.root, 'large'), '-D', '-', ...framing)
      const [, file = ''] = /^x-file: (\S+)/m.exec(stdout) ?? []
      t.ok(readFileSync(file).equals(content), `up ${framing.join(' ')}`)
    }
    const head = await call(t, '/large', '-I')
    t.match(head.stdout, new RegExp(`^HTTP/1.1 200 .*content-length: ${LARGE_BYTES}\r\n`, 'si'))
    t.equal(await statusOf(t, '/secret', '-I'), 403)

    const kept = await call(t, '/item', '-v', '-w', '%{num_connects}\n', `http://${outbound}/item`)
    t.equal(kept.stdout, 'an item\n1\nan item\n0\n', 'two requests, one connection')
  })

  t.test('curl: Expect: 100-continue', async (t) => {
    const large = join(setting.app.root, 'large')
    writeFileSync(large, randomBytes(1024 * 1024))
    const expects = ['-v', '-H', 'Expect: 100-continue', '--expect100-timeout', '20', '-T', large]
    const granted = await call(t, '/upload', ...expects)
    t.match(granted.stderr, /< HTTP\/1\.1 100 Continue[\s\S]*< HTTP\/1\.1 200 /)
    const before = setting.app.requests()
    const denied = await call(t, '/secret', ...expects, '-w', '%{http_code} %{size_upload}')
    t.notMatch(denied.stderr, /100 Continue/)
    t.match(denied.stdout, /403 0$/, 'nothing of the body was sent')
    t.equal(setting.app.requests(), before)
  })

  t.test('curl: through the sidecar as its HTTP proxy', async (t) => {
    const args = ['-sS', '-x', `http://${outbound}`, 'http://orders/item', 'http://orders/secret']
    const { stdout } = await runProgram(t, curl, [...args, '-w', '%{http_code}\n'])
    t.match(stdout, /^an item\n200\nno-allow-rule: [^\n]*\n403\n$/)
  })
}

t.test('WebSocket', async (t) => {
  const socket = new WebSocket(`ws://${outbound}/chat`)
  await opened(socket)
  for (const message of ['hello', 'x'.repeat(60_000)]) {
    const answer = once(socket, 'message')
    socket.send(message)
    const [{ data }] = await answer
    t.equal(data, message.toUpperCase())
  }
  const closed = once(socket, 'close')
  socket.close(1000)
  const [{ code }] = await closed
  t.equal(code, 1000)

  const denied = new WebSocket(`ws://${outbound}/secret`)
  await t.rejects(opened(denied))
})

if (openssl === undefined) console.log('note: openssl is not installed: the intruder of the system test is left out')
else {
  t.test('openssl: an intruder gets not one byte of HTTP', async (t) => {
    const { app, inbound } = setting
    const folder = temporaryFolder(t)
    const forged = await selfMade(t, openssl, folder)
    const ways: Readonly<Record<string, readonly string[]>> = {
      'without a certificate': [],
      "with a certificate of one's own root": ['-cert', forged.chain, '-key', forged.key],
      'with that, and TLS 1.2': ['-cert', forged.chain, '-key', forged.key, '-tls1_2'],
    }
    for (const [way, args] of Object.entries(ways)) {
      const before = app.requests()
      // With -ign_eof it ends when the other side closes, and not when its input is sent.
      const { stdout } = await runProgram(
        t,
        openssl,
        ['s_client', '-connect', formatAddress(inbound), '-ign_eof', ...args],
        { input: 'GET /item HTTP/1.1\r\nHost: orders\r\n\r\n' },
      )
      t.match(stdout, /CONNECTED/, `${way}: it was reached`)
      t.notMatch(stdout, /HTTP\/1|an item/, `${way}: nothing answered`)
      t.equal(app.requests(), before, `${way}: nothing reached the application`)
    }
    const { text } = await setting.pair.send('/item')
    t.equal(text, 'an item\n', 'the mesh goes on')
  })
}

/** A certificate for the ID of `web` that a root of our own signed. */
async function selfMade(t: Test, openssl: string, folder: string): Promise<{ chain: string; key: string }> {
  const run = async (...args: readonly string[]): Promise<void> => {
    const { code, stderr } = await runProgram(t, openssl, args, { cwd: folder })
    t.equal(code, 0, `openssl ${args[0]}: ${stderr}`)
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const root = ['-subj', '/O=Intruder', '-addext', 'subjectAltName=URI:spiffe://system.test']
  await run('req', '-x509', ...key, '-keyout', 'root.key', '-out', 'root.pem', '-days', '1', ...root)
  writeFileSync(
    join(folder, 'leaf.conf'),
    `basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\nsubjectAltName=URI:${idOf('web')}\n`,
  )
  await run('req', '-new', ...key, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', '/')
  const signing = ['-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial', '-extfile', 'leaf.conf']
  await run('x509', '-req', '-in', 'leaf.csr', '-out', 'leaf.pem', '-days', '1', ...signing)
  const chain = join(folder, 'chain.pem')
  writeFileSync(chain, readFileSync(join(folder, 'leaf.pem'), 'utf8') + readFileSync(join(folder, 'root.pem'), 'utf8'))
  return { chain, key: join(folder, 'leaf.key') }
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve())
    socket.addEventListener('error', () => reject(new Error('the WebSocket was refused')))
  })
}

/** A WebSocket server (RFC 6455) that answers every text in capitals. */
async function startChat(t: Test): Promise<Address> {
  const server = createServer((_, response) => response.writeHead(426).end())
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    let held = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (part: Buffer) => {
      held = Buffer.concat([held, part])
      for (let frame = takeFrame(held); frame !== undefined; frame = takeFrame(held)) {
        held = held.subarray(frame.length)
        if (frame.opcode === 8) socket.end(frameOf(8, frame.payload))
        else socket.write(frameOf(1, Buffer.from(frame.payload.toString().toUpperCase())))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { host: '127.0.0.1', port: boundAddress(server).port }
}

/** The first frame of a client, when all of it is there. Lengths of more than 16 bits are not sent here. */
function takeFrame(bytes: Buffer): { opcode: number; payload: Buffer; length: number } | undefined {
  if (bytes.length < 4) return undefined
  const short = bytes[1]! & 0x7f
  const start = short === 126 ? 4 : 2
  const size = short === 126 ? bytes.readUInt16BE(2) : short
  const length = start + 4 + size
  if (bytes.length < length) return undefined
  const mask = bytes.subarray(start, start + 4)
  const payload = Buffer.from(bytes.subarray(start + 4, length).map((byte, index) => byte ^ mask[index % 4]!))
  return { opcode: bytes[0]! & 0x0f, payload, length }
}

function frameOf(opcode: number, payload: Buffer): Buffer {
  const size = payload.length
  const head = size < 126 ? [0x80 | opcode, size] : [0x80 | opcode, 126, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from(head), payload])
}
