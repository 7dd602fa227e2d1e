// Databases that know nothing of the mesh: a listener of the caller's sidecar stands for each, and what they speak is TCP.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { boundAddress } from '../fixtures/app.ts'
import { startDatabases } from '../fixtures/databases.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { idOf, resource, type ServiceMesh, startServices, type TestService } from '../fixtures/mesh.ts'
import { findProgram, runProgram, until } from '../fixtures/process.ts'
import { freePort } from '../fixtures/web-server.ts'

checkLeaks(t)

/** Says something to whoever connects, and then sends back what it gets. */
async function startGreeter(t: Test): Promise<{ readonly port: number; readonly sockets: ReadonlySet<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    socket.write('hello\n')
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: boundAddress(server).port, sockets }
}

const { redis, postgres, mariaDb } = await startDatabases(t)
const greeter = await startGreeter(t)

const declared = { protocol: 'tcp', inbound: { protocol: 'tcp' } }
const services: TestService[] = [
  { name: 'greeter', appPort: greeter.port, ...declared },
  { name: 'down', appPort: await freePort(), ...declared },
]
if (redis !== undefined) services.push({ name: 'redis', appPort: redis.port, ...declared })
// Its client speaks first, and what it says is none of the other protocols.
if (postgres !== undefined) services.push({ name: 'postgres', appPort: postgres.port, inbound: { protocol: 'tcp' } })
// Its server speaks first: nothing could be detected, and by its port nothing has to be.
if (mariaDb !== undefined)
  services.push({ name: 'mariadb', appPort: mariaDb.port, port: 3306, inbound: { protocol: 'tcp' } })

const { mesh, orders, outbound } = await startServices(t, services)

/** Runs a client of a database, which must end well; gives what it printed. */
async function query(t: Test, client: string, args: readonly string[], input?: string | Buffer): Promise<string> {
  const options = input === undefined ? {} : { input }
  const { code, stdout, stderr } = await runProgram(t, findProgram(client) ?? client, args, options)
  t.equal(code, 0, `${client}: ${stderr}`)
  return stdout
}

if (redis !== undefined) {
  t.test('Redis: redis-cli and redis-benchmark', async (t) => {
    const { host, port } = outbound('redis')
    const to = ['-h', host, '-p', String(port)]
    t.equal(await query(t, 'redis-cli', [...to, 'PING']), 'PONG\n')
    const large = 'x'.repeat(20_000_000)
    t.equal(await query(t, 'redis-cli', [...to, '-x', 'SET', 'large'], large), 'OK\n')
    t.equal(await query(t, 'redis-cli', [...to, 'GET', 'large']), `${large}\n`)
    const load = ['-n', '20000', '-c', '50', '-P', '8', '-t', 'set,get,lpush,lrange_100', '--csv']
    const rows = (await query(t, 'redis-benchmark', [...to, ...load])).trim().split('\n')
    t.ok(rows.length > 4, `${rows.length} rows`)
    for (const row of rows.slice(1)) t.comment(`redis-benchmark: ${row.split(',').slice(0, 2).join(' ')} requests/s`)
  })
}

if (postgres !== undefined) {
  t.test('PostgreSQL: psql', async (t) => {
    const { host, port } = outbound('postgres')
    const to = ['-X', '-h', host, '-p', String(port), '-U', 'test', '-d', 'postgres', '-At', '-v', 'ON_ERROR_STOP=1']
    t.equal(await query(t, 'psql', [...to, '-c', 'SELECT sum(n) FROM generate_series(1, 100000) n']), '5000050000\n')
    const rows = Array.from({ length: 100_000 }, (_, index) => `${index}\trow ${index}\n`).join('')
    const copy = ['-c', 'CREATE TABLE copied (id int, name text)', '-c', 'COPY copied FROM STDIN']
    await query(t, 'psql', [...to, ...copy], rows)
    t.equal(await query(t, 'psql', [...to, '-c', 'COPY (SELECT * FROM copied ORDER BY id) TO STDOUT']), rows)
  })
}

if (mariaDb !== undefined) {
  t.test('MariaDB: mariadb', async (t) => {
    const { host, port } = outbound('mariadb')
    const to = ['--no-defaults', '-h', host, '-P', String(port), '-u', 'root', '-N', '-B']
    t.equal(await query(t, 'mariadb', [...to, '-e', 'SELECT 6 * 7']), '42\n')
    const large = 10_000_000
    t.equal((await query(t, 'mariadb', [...to, '-e', `SELECT REPEAT('x', ${large})`])).length, large + 1)
  })
}

/** A client of the greeter. */
function open(t: Test, service: string): Socket {
  const socket = connect({ ...outbound(service), allowHalfOpen: true })
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  return socket
}

/** Resolves when it has closed, be it with an error. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
  })
}

t.test('each half ends by itself', async (t) => {
  const socket = open(t, 'greeter')
  const [greeting] = await once(socket, 'data')
  t.equal(String(greeting), 'hello\n', 'the server speaks first')
  socket.end('and goodbye')
  t.equal(await text(socket), 'and goodbye')
})

t.test('who goes away is told to the other side', async (t) => {
  const socket = open(t, 'greeter')
  await once(socket, 'data')
  await until('the server has the connection', () => greeter.sockets.size === 1)
  socket.resetAndDestroy()
  await until('the server has lost it', () => greeter.sockets.size === 0)

  const other = open(t, 'greeter')
  await once(other, 'data')
  const closed = closing(other)
  for (const peer of greeter.sockets) peer.resetAndDestroy()
  await closed
})

t.test('an application that is down: the connection ends', async (t) => {
  const socket = open(t, 'down')
  await closing(socket)
  t.equal(socket.bytesRead, 0)
})

/** Allows what `rule` says and nothing else; resolves when it is in force, which `holds` tells. */
async function allowOnly({ mesh }: Pick<ServiceMesh, 'mesh'>, rule: object): Promise<void> {
  const rules = [{ name: 'only', ...rule }]
  await mesh.apply(resource('AuthorizationPolicy', 'orders', { workloads: ['orders'], action: 'ALLOW', rules }))
}

t.test('the policy decides on connections', async (t) => {
  const greeted = async (): Promise<boolean> => {
    const socket = open(t, 'greeter')
    const answered = new Promise<boolean>((resolve) => {
      socket.once('data', (part) => resolve(String(part) === 'hello\n'))
      socket.once('close', () => resolve(false))
    })
    try {
      return await answered
    } finally {
      socket.destroy()
    }
  }
  const from = [{ spiffeIds: [idOf('web')] }]
  await allowOnly({ mesh }, { from, to: [{ ports: [greeter.port] }] })
  await until('allowed by its port', greeted)
  await allowOnly({ mesh }, { from, to: [{ ports: [greeter.port + 1] }] })
  await until('denied: another port', async () => !(await greeted()))
  await allowOnly({ mesh }, { from })
  await until('allowed again', greeted)
  await allowOnly({ mesh }, { from, to: [{ methods: ['GET'] }] })
  await until('denied: a connection has no method', async () => !(await greeted()))
  await until('nothing is left at the server', () => greeter.sockets.size === 0)
  t.match(orders.stdout, /no-allow-rule/)
})
