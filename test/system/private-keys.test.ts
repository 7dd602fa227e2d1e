// A mesh with everything switched on that talks: renewals, a new root, errors. Then all that it has said and written is
// searched for private keys and join tokens. There may be keys in the folder of the CA, and nowhere else.
import { createPrivateKey } from 'node:crypto'
import { closeSync, existsSync, globSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join, relative } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { parseJoinToken } from '../../src/rpc/token.ts'
import { startApp } from '../fixtures/app.ts'
import { makeTestCa } from '../fixtures/ca.ts'
import {
  ask,
  beginSidecar,
  idOf,
  knowsEndpoints,
  ordersPolicy,
  ordersResources,
  readySidecar,
  sendToOrders,
  type SidecarProcess,
  startMesh,
  svidSerial,
  type TestMesh,
} from '../fixtures/mesh.ts'
import { type Program, temporaryFolder, until } from '../fixtures/process.ts'

/** The shortest life there is: renewed every five seconds. */
const TTL = ['--svid-ttl-ms', '10000']
const LOUD = ['--log-level', 'trace']

/** A text or file that a secret could have got into. */
interface Place {
  readonly name: string
  readonly bytes: Buffer
}

/** What must not be found, and how it is called. */
interface Secret {
  readonly name: string
  readonly bytes: Buffer
}

/** How the private keys begin that OpenSSL and node:crypto write, of any P-256 or P-384 key (RFC 5958, RFC 5915). */
const beginnings: readonly Secret[] = Object.entries({
  'PKCS#8, P-256': '308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420',
  'PKCS#8, P-384': '3081b6020100301006072a8648ce3d020106052b8104002204819e30819b0201010430',
  'SEC1, P-256': '30770201010420',
  'SEC1, P-384': '3081a40201010430',
}).flatMap(([name, hex]) => everyForm(name, Buffer.from(hex, 'hex')))

/** Of a PEM text; in two parts, so that a search for keys finds none here. */
const LABEL = ['PRIVATE', 'KEY'].join(' ')
const words: readonly Secret[] = [LABEL, '"d":"', "d: '"].map((text) => ({
  name: JSON.stringify(text),
  bytes: Buffer.from(text),
}))

/** The bytes as they are, in hexadecimal of both cases and in base64, wherever in it they begin. */
function everyForm(name: string, bytes: Buffer): Secret[] {
  const hex = bytes.toString('hex')
  const base64 = [0, 1, 2].flatMap((before) => {
    // Letters that stand for these bytes alone, whatever is around them.
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const inner = text.slice(before === 0 ? 0 : before + 1, Math.floor(((bytes.length + before) * 8) / 6))
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')]
  })
  return [
    { name: `${name}, DER`, bytes },
    ...[hex, hex.toUpperCase(), hex.replaceAll(/..(?=.)/g, '$&:')].map((text) => ({
      name: `${name}, hexadecimal`,
      bytes: Buffer.from(text),
    })),
    ...base64.map((text) => ({ name: `${name}, base64`, bytes: Buffer.from(text) })),
  ]
}

/** Every secret of `secrets` in every place. */
function findings(places: readonly Place[], secrets: readonly Secret[]): string[] {
  return places.flatMap((place) =>
    secrets.filter(({ bytes }) => place.bytes.includes(bytes)).map((secret) => `${secret.name} in ${place.name}`),
  )
}

/** The numbers that the keys of the CA are. */
function keysOfCa(data: string): Secret[] {
  const files = globSync(join(data, 'ca', '**', '*.key'))
  return files.flatMap((file) => {
    const { d } = createPrivateKey(readFileSync(file)).export({ format: 'jwk' })
    return everyForm(`the key ${relative(data, file)}`, Buffer.from(d!, 'base64url'))
  })
}

/**
 * The keys of SVIDs, which are in the memory of the process and nowhere else: found there as the text that OpenSSL was given. None
 * where the kernel lets nobody look (proc_pid_mem(5)).
 */
function keysInMemory(name: string, { pid }: Program): Secret[] {
  const found = new Map<string, Secret[]>()
  let memory: number
  try {
    memory = openSync(`/proc/${pid}/mem`, 'r')
  } catch {
    console.log(`note: the memory of ${name} cannot be read: the very keys of its SVIDs are not looked for`)
    return []
  }
  for (const [, from, to] of readFileSync(`/proc/${pid}/maps`, 'latin1').matchAll(
    /^(\w+)-(\w+) rw.p \w+ 00:00 0 +(?:\[heap\])?$/gm,
  )) {
    const [start, end] = [BigInt(`0x${from}`), BigInt(`0x${to}`)]
    if (end - start > MAX_REGION) continue
    const region = Buffer.alloc(Number(end - start))
    try {
      readSync(memory, region, 0, region.length, start)
    } catch {
      continue
    }
    for (let at = region.indexOf(PEM_KEY); at >= 0; at = region.indexOf(PEM_KEY, at + 1)) {
      const [pem = ''] = PEM.exec(region.toString('latin1', at, at + 400)) ?? []
      const d = scalarOf(pem)
      if (d !== undefined) found.set(d, everyForm(`a key in the memory of ${name}`, Buffer.from(d, 'base64url')))
    }
  }
  closeSync(memory)
  return [...found.values()].flat()
}

function scalarOf(pem: string): string | undefined {
  try {
    return createPrivateKey(pem).export({ format: 'jwk' }).d
  } catch {
    return undefined
  }
}

/** A token, its secret, and the secret in other forms. */
function formsOfToken(token: string): Secret[] {
  const { secret } = parseJoinToken(token)
  return [
    { name: 'a join token', bytes: Buffer.from(token) },
    { name: 'the secret of a join token', bytes: Buffer.from(secret) },
    ...everyForm('the secret of a join token', Buffer.from(secret, 'base64url')),
  ]
}

const PEM = new RegExp(`^[-A-Z ]+\\n[A-Za-z0-9+/=\\n]+-----END ${LABEL}-----`)
const PEM_KEY = `-----BEGIN ${LABEL}-----\n`
/** What is larger is reserved and not used. */
const MAX_REGION = 268_435_456n
const PAGES = [
  '/metrics',
  '/certs',
  '/policy',
  '/connections',
  '/tls-failures',
  '/ready',
  '/live',
  '/log-level',
  '/',
  '/keys',
  '/key-sets',
]

async function pagesOf(name: string, { admin }: Pick<SidecarProcess, 'admin'>): Promise<Place[]> {
  return Promise.all(
    PAGES.map(async (path) => {
      const { status, headers, body } = await ask(admin, path)
      return {
        name: `${name} ${path}`,
        bytes: Buffer.concat([Buffer.from(`${status} ${JSON.stringify(headers)}`), body]),
      }
    }),
  )
}

/** Its two streams and its command line; its environment too, without the token that it is given there. */
function saidBy(name: string, program: Program, token?: string): Place[] {
  const proc = (file: string): Buffer =>
    existsSync(`/proc/${program.pid}/${file}`) ? readFileSync(`/proc/${program.pid}/${file}`) : Buffer.alloc(0)
  const environment = proc('environ').toString('latin1').replace(`OUTRIDER_JOIN_TOKEN=${token}`, '')
  return [
    { name: `${name}: standard output`, bytes: Buffer.from(program.stdout) },
    { name: `${name}: standard error`, bytes: Buffer.from(program.stderr) },
    { name: `${name}: command line`, bytes: proc('cmdline') },
    { name: `${name}: environment`, bytes: Buffer.from(environment, 'latin1') },
  ]
}

function filesIn(folder: string): Place[] {
  return globSync('**', { cwd: folder })
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path) => ({ name: path, bytes: readFileSync(join(folder, path)) }))
}

/** Whatever goes wrong in a mesh, on purpose. */
async function makeTrouble(
  t: Test,
  mesh: TestMesh,
  web: SidecarProcess,
  orders: SidecarProcess,
  used: string,
): Promise<void> {
  const again = await beginSidecar(t, mesh.control.grpc, used, LOUD).ended
  t.not(again.code, 0, 'a token is used once')
  t.match(again.stderr + again.stdout, /join-token-refused/)
  const cut = await beginSidecar(t, mesh.control.grpc, used.slice(0, -5), LOUD).ended
  t.match(cut.stderr, /token-malformed/)
  for (const [name, ended] of Object.entries({ again, cut })) {
    said.push({ name: `sidecar, ${name}`, bytes: Buffer.from(ended.stdout + ended.stderr) })
  }

  const [inbound] = orders.inbound
  const stranger = makeTestCa('system.test').issue(idOf('web'))
  const forged = { ...inbound!, cert: stranger.chainPem, key: stranger.keyPem, rejectUnauthorized: false }
  for (const socket of [connectTls(forged), connectTcp(inbound!), connectTcp(inbound!)]) {
    socket.on('error', () => {})
    socket.end('GET / HTTP/1.1\r\n\r\n')
    await new Promise((resolve) => socket.resume().once('close', resolve))
  }
  t.equal((await sendToOrders(web, '/x', { method: 'DELETE' })).status, 403)
  t.equal(
    (await sendToOrders(web, '/x', { headers: { 'content-length': 'x' } }).catch(() => ({ status: 400 }))).status,
    400,
  )
  for (const words of [
    ['apply', '-f', '-'],
    ['ca', 'revoke', 'none'],
    ['token', 'create', '--workload', 'nobody'],
    ['status'],
  ]) {
    const { stdout, stderr } = await mesh.command(words, 'no: [resource')
    said.push({ name: `outrider ${words.join(' ')}`, bytes: Buffer.from(stdout + stderr) })
  }
}

const said: Place[] = []

t.test('no private key and no join token is told or written', async (t) => {
  const app = await startApp(t, (_request, response) => response.end('ok'))
  const folder = temporaryFolder(t)
  const mesh = await startMesh(t, [...TTL, ...LOUD])
  await mesh.apply(ordersResources(app.address.port))
  const tokens = { web: await mesh.token('web'), orders: await mesh.token('orders') }
  const begin = (name: keyof typeof tokens, flags: readonly string[]): Promise<SidecarProcess> => {
    const logs = ['--access-log', 'all', '--access-log-path', join(folder, `${name}.log`)]
    return readySidecar(
      beginSidecar(t, mesh.control.grpc, tokens[name], ['--sidecar-id', name, ...LOUD, ...logs, ...flags]),
    )
  }
  const web = await begin('web', ['--outbound', '127.0.0.1:0', '--workers', '2'])
  const orders = await begin('orders', ['--inbound', `127.0.0.1:0=127.0.0.1:${app.address.port}`, '--outbound', ''])
  await knowsEndpoints(web, 1)
  t.equal((await sendToOrders(web, '/x')).status, 200)

  const first = [await svidSerial(web), await svidSerial(orders)]
  await makeTrouble(t, mesh, web, orders, tokens.web)
  for (const step of [['prepare'], ['activate', '--wait', '30s'], ['taint'], ['revoke', '--wait', '60s']]) {
    const { code, stdout, stderr } = await mesh.command(['ca', ...step, '-o', 'json'])
    t.equal(code, 0, `ca ${step[0]}: ${stderr}`)
    said.push({ name: `outrider ca ${step[0]}`, bytes: Buffer.from(stdout + stderr) })
  }
  await until(
    'both are renewed',
    async () => !first.includes(await svidSerial(web)) && !first.includes(await svidSerial(orders)),
  )
  await mesh.apply(ordersPolicy({ methods: ['GET', 'POST'] }))
  t.equal((await sendToOrders(web, '/x')).status, 200)

  // Keys of authorities that are gone are gone; those of now are what to look for.
  const keys = keysOfCa(mesh.data)
  t.ok(keys.length > 0)
  const processes = { control: mesh.control, web, orders }
  const inMemory = Object.entries(processes).flatMap(([name, program]) => keysInMemory(name, program))
  const secrets = [...beginnings, ...words, ...keys, ...inMemory, ...Object.values(tokens).flatMap(formsOfToken)]
  for (const [name, program] of Object.entries(processes)) {
    said.push(...(await pagesOf(name, program)))
    said.push(...saidBy(name, program, name === 'web' ? tokens.web : tokens.orders))
  }
  for (const program of [web, orders, mesh.control]) await program.stop()
  for (const [name, { stdout, stderr }] of Object.entries(processes)) {
    said.push({ name: `${name}: at its end`, bytes: Buffer.from(stdout + stderr) })
  }
  const written = filesIn(mesh.data)
  const outside = written.filter(({ name }) => !/^ca\/[0-9a-f]{16}\/[a-z]+\.key$/.test(name))
  said.push(...outside, ...filesIn(folder))

  t.same(findings(said, secrets), [])
  const bytes = said.reduce((sum, place) => sum + place.bytes.length, 0)
  console.log(
    `note: ${said.length} places, ${Math.round(bytes / 1024)} KiB, searched for ${secrets.length} forms of secrets, ${inMemory.length} of them of keys that are in memory`,
  )
  for (const name of Object.keys(processes)) {
    t.match(said.find((place) => place.name === `${name} /log-level`)?.bytes.toString(), /trace\n$/, `${name} is loud`)
  }

  // The search finds what is there: the keys of the CA, and each as it is written.
  const inCa = written.filter((place) => !outside.includes(place))
  t.ok(inCa.length >= 3, 'root, signer, JWT')
  t.same(
    inCa.filter((place) => findings([place], [...keys, ...beginnings]).length === 0),
    [],
  )
  t.same(
    inCa.filter((place) => findings([place], words).length === 0),
    [],
  )
})
