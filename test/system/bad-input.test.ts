import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:tls'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { commands } from '../../src/cli/run.ts'
import { formatAddress } from '../../src/lib/address.ts'
import { boundAddress } from '../fixtures/app.ts'
import { makeTestCa } from '../fixtures/ca.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import {
  beginControl,
  beginSidecar,
  ordersResources,
  readySidecar,
  resource,
  startControl,
  startMesh,
  type TestMesh,
  TRUST_DOMAIN,
} from '../fixtures/mesh.ts'
import { type Ended, findProgram, outrider, runProgram, temporaryFolder, until } from '../fixtures/process.ts'

checkLeaks(t)

/** It ended with one line of our own that has its code: no stack, nothing on the standard output. */
function refused(t: Test, ended: Ended, exit: number, code: string, says: RegExp = /./): void {
  const lines = ended.stderr.split('\n').filter((line) => line.startsWith('outrider'))
  const [line = ''] = lines
  t.equal(ended.code, exit, `exit code of ${code}`)
  t.equal(lines.length, 1, `one line: ${ended.stderr}`)
  t.match(line, says)
  t.ok(line.endsWith(`(${code})`), line)
  t.notMatch(ended.stderr, /^\s+at /m, 'no stack')
  t.equal(ended.stdout, '', 'nothing on the standard output')
}

const caller = ['--outbound', '127.0.0.1:0']

t.test('join tokens', async (t) => {
  const [mesh, other] = await Promise.all([startMesh(t), startMesh(t)])
  for (const { apply } of [mesh, other]) await apply(ordersResources(1))
  const join = (token: string): Promise<Ended> => beginSidecar(t, mesh.control.grpc, token, caller).ended

  const used = await mesh.token('web')
  t.equal((await (await readySidecar(beginSidecar(t, mesh.control.grpc, used, caller))).stop()).code, 0)
  refused(t, await join(used), 1, 'join-token-refused')

  const ttl = await mesh.command(['token', 'create', '--workload', 'web', '--ttl', '1s'])
  await until('the token has expired', async () =>
    (await mesh.admin.listTokens({})).tokens.some(({ state }) => state === 'STATE_EXPIRED'),
  )
  refused(t, await join(ttl.stdout.trim()), 1, 'join-token-refused')

  const foreign = await other.token('web')
  refused(t, await join(foreign), 1, 'control-pin-mismatch', /No evidence was sent/)
  await readySidecar(beginSidecar(t, other.control.grpc, foreign, caller))

  refused(t, await join(used.slice(0, -5)), 1, 'token-malformed')
  refused(t, await join(''), 1, 'join-token-missing')
})

t.test('an impostor of the control server gets nothing of the token', async (t) => {
  const mesh = await startMesh(t)
  await mesh.apply(ordersResources(1))
  const impostor = makeTestCa(TRUST_DOMAIN).issue('/outrider/control')
  let bytes = 0
  let handshakes = 0
  const server = createTlsServer({ cert: impostor.chainPem, key: impostor.keyPem, ALPNProtocols: ['h2'] }, (socket) => {
    handshakes += 1
    socket.on('data', (part: Buffer) => {
      bytes += part.length
    })
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const place = `127.0.0.1:${boundAddress(server).port}`
  refused(t, await beginSidecar(t, place, await mesh.token('web'), caller).ended, 1, 'control-pin-mismatch')
  t.equal(handshakes, 1)
  t.equal(bytes, 0)
})

/** What the control server holds; its revision changes with every change. */
async function revision({ admin }: TestMesh): Promise<number> {
  return (await admin.getStatus({})).revision
}

t.test('a resource file that is not right changes nothing', async (t) => {
  const mesh = await startMesh(t)
  await mesh.apply(ordersResources(1))
  const before = await revision(mesh)
  const folder = temporaryFolder(t)
  const apply = (name: string, text: string): Promise<Ended> => {
    writeFileSync(join(folder, name), text)
    return mesh.command(['apply', '-f', join(folder, name)])
  }

  const unreadable = await apply('unreadable.yaml', 'kind: Workload\nspec: [1\n')
  t.match(unreadable, { code: 3, stdout: '', stderr: /^\S+unreadable\.yaml:\d+:\d+: / })

  const good =
    'apiVersion: outrider.mesh/v1\nkind: Workload\nmetadata: { name: new }\nspec:\n  spiffeId: spiffe://system.test/new\n'
  const bad = `apiVersion: outrider.mesh/v1
kind: AuthorizationPolicy
metadata: { name: half }
spec:
  workloads: [orders]
  action: ALLOW
  rules:
    - name: all
      too: [{ paths: [/x] }]
    - name: absent
      from: [{ spiffeIds: [not-an-id] }]
`
  const half = await apply('half.yaml', `${good}---\n${bad}`)
  t.equal(half.code, 3)
  t.match(half.stderr, /half\.yaml:15:7: spec\.rules\[0\]\.too: .*did you mean to\? \(field-unknown\)\n/)
  t.match(half.stderr, /half\.yaml:17:28: spec\.rules\[1\]\.from\[0\]\.spiffeIds\[0\]: /)
  t.match(half.stderr, /\nnothing was stored: 2 violations\n$/)
  t.match(await mesh.command(['get', 'Workload', 'new']), { code: 4, stdout: '' }, 'the good half is not there')

  const dangling = await apply('dangling.yaml', `${good}---\n${resource('Service', 's', { workloads: ['nobody'] })}`)
  t.equal(dangling.code, 3)
  t.equal(await revision(mesh), before)

  t.equal((await apply('good.yaml', good)).code, 0)
  t.equal(await revision(mesh), before + 1)
  const inUse = await mesh.command(['delete', 'Workload', 'orders'])
  refused(t, inUse, 6, 'resource-in-use')
})

t.test('a port that is in use', async (t) => {
  const mesh = await startMesh(t)
  await mesh.apply(ordersResources(1))
  const taken = createServer()
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const place = formatAddress({ host: '127.0.0.1', port: boundAddress(taken).port })
  const says = (option: string): RegExp => new RegExp(`${option}: cannot listen on ${place}: another program listens`)

  for (const option of ['listen', 'admin']) {
    const data = join(temporaryFolder(t), 'data')
    const { ended } = beginControl(t, data, [`--${option}`, place])
    refused(t, await ended, 1, 'listen-failed', says(option))
  }
  const sidecars = {
    admin: ['--admin', place, ...caller],
    inbound: ['--inbound', `${place}=127.0.0.1:1`, '--outbound', ''],
    outbound: ['--outbound', place],
  }
  for (const [option, flags] of Object.entries(sidecars)) {
    const { ended } = beginSidecar(t, mesh.control.grpc, await mesh.token('web'), flags)
    refused(t, await ended, 1, 'listen-failed', says(option))
  }
  const socket = ['--admin-socket', mesh.control.socket]
  refused(t, await beginControl(t, join(temporaryFolder(t), 'data'), socket).ended, 1, 'socket-in-use')
})

t.test('a data folder that is damaged, open to others or in use', async (t) => {
  const data = join(temporaryFolder(t), 'data')
  const first = await startControl(t, data)
  refused(t, await beginControl(t, data).ended, 1, 'data-folder-in-use', new RegExp(data))
  t.equal((await first.stop()).code, 0)
  const authority = join(data, 'ca', readdirSync(join(data, 'ca')).find((name) => name !== 'authorities.json')!)
  const root = readFileSync(join(authority, 'root.pem'))
  const attempt = (): Promise<Ended> => beginControl(t, data).ended

  for (const name of ['signer.key', 'root.key', 'jwt.key']) {
    const key = join(authority, name)
    chmodSync(key, 0o644)
    refused(t, await attempt(), 1, 'ca-key-exposed', /mode 644.*chmod 600/)
    chmodSync(key, 0o600)
  }
  for (const name of ['signer.key', 'root.key', 'jwt.key', 'root.pem', 'signer.pem']) {
    const file = join(authority, name)
    const content = readFileSync(file)
    rmSync(file)
    refused(t, await attempt(), 1, 'ca-file-missing', new RegExp(name))
    t.notOk(existsSync(file), `no new ${name} is made`)
    writeFileSync(file, 'rubbish', { mode: 0o600 })
    refused(t, await attempt(), 1, 'ca-file-corrupt', new RegExp(name))
    writeFileSync(file, content)
  }
  const database = join(data, 'outrider.db')
  const stored = readFileSync(database)
  writeFileSync(database, 'this is no database, and longer than the head of one'.repeat(10))
  refused(t, await attempt(), 1, 'database-corrupt', new RegExp(database))
  writeFileSync(database, stored)

  chmodSync(data, 0o755)
  refused(t, await attempt(), 1, 'data-folder-not-private', /chmod 700/)
  chmodSync(data, 0o700)
  t.match(await (await startControl(t, data)).stop(), { code: 0 }, 'restored, it starts')
  t.ok(readFileSync(join(authority, 'root.pem')).equals(root), 'with the same root')
})

/** A file system of its own in `folder`, unless this machine does not let us: then why. */
async function mountSmall(t: Test, folder: string): Promise<string | undefined> {
  const mount = findProgram('mount')
  const unmount = findProgram('umount')
  if (mount === undefined || unmount === undefined) return 'there is no mount'
  const { code, stderr } = await runProgram(t, mount, ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'tmpfs', folder])
  if (code !== 0) return stderr.trim()
  t.teardown(() => runProgram(t, unmount, ['--lazy', folder]))
  return undefined
}

t.test('a data folder that cannot be written', async (t) => {
  const folder = temporaryFolder(t)
  const why = await mountSmall(t, folder)
  if (why !== undefined) {
    console.log(`note: no file system can be mounted, so that a read-only one is not tested: ${why}`)
    return
  }
  const remount = (mode: string): Promise<Ended> =>
    runProgram(t, findProgram('mount')!, ['-o', `remount,${mode}`, folder])
  t.equal((await remount('ro')).code, 0)
  refused(t, await beginControl(t, join(folder, 'new')).ended, 1, 'data-folder-unusable', /read-only file system/i)
  t.equal((await remount('rw')).code, 0)
  const data = join(folder, 'old')
  await (await startControl(t, data)).stop()
  t.equal((await remount('ro')).code, 0)
  refused(t, await beginControl(t, data).ended, 1, 'database-failed', new RegExp(data))
})

t.test('a full disk', async (t) => {
  const folder = temporaryFolder(t)
  const why = await mountSmall(t, folder)
  if (why !== undefined) {
    console.log(`note: no file system can be mounted, so that a full one is not tested: ${why}`)
    return
  }
  const control = await startControl(t, join(folder, 'data'))
  const command = (args: readonly string[], input = ''): Promise<Ended> =>
    outrider(t, [...args, '--socket', control.socket], { input })
  t.equal((await command(['apply', '-f', '-'], ordersResources(1))).code, 0)
  const before = (await command(['list', '-o', 'json'])).stdout

  mkdirSync(join(folder, 'filler'))
  for (let size = 1024 * 1024, file = 0; size >= 1; file += 1) {
    try {
      writeFileSync(join(folder, 'filler', String(file)), Buffer.alloc(size))
    } catch {
      size = Math.floor(size / 2)
    }
  }
  const many = Array.from({ length: 500 }, (_, index) =>
    resource('Workload', `w${index}`, { spiffeId: `spiffe://${TRUST_DOMAIN}/w${index}` }),
  )
  refused(t, await command(['apply', '-f', '-'], many.join('\n---\n')), 1, 'disk-full')
  t.equal((await command(['list', '-o', 'json'])).stdout, before, 'nothing half-applied; the server goes on')

  rmSync(join(folder, 'filler'), { recursive: true })
  t.equal((await command(['apply', '-f', '-'], many.join('\n---\n'))).code, 0, 'with room again it works')
  t.equal(JSON.parse((await command(['list', 'Workload', '-o', 'json'])).stdout).length, many.length + 2)
})

t.test('command lines', async (t) => {
  const wrong: readonly (readonly [args: string, code: string, says: RegExp])[] = [
    ['lst', 'usage-command-unknown', /did you mean "list"/],
    ['control --dta x', 'usage-option-unknown', /--dta .*did you mean "data"/],
    ['apply --dry-runn', 'usage-option-unknown', /did you mean "dry-run"/],
    ['list -o jsn', 'usage-option-value', /table, json, yaml/],
    ['list Workloadd', 'usage-kind', /did you mean "Workload"/],
    ['get Workload', 'usage-arguments', /KIND NAME/],
    ['apply', 'usage-file', /-f FILE/],
    ['token create --workload web --ttl 10', 'usage-duration', /--ttl/],
    ['sidecar --drain-timeout-ms 5x', 'config-value-malformed', /flag --drain-timeout-ms: "5x"/],
    ['sidecar --admin 0.0.0.0:1', 'config-value-not-allowed', /flag --admin/],
    ['control --admin 0.0.0.0:1', 'config-value-not-allowed', /flag --admin/],
    ['control --svid-ttl-ms 1s', 'config-value-out-of-range', /10s \.\. 90d/],
    ['control --config /nonexistent', 'config-file-unreadable', /\/nonexistent/],
  ]
  for (const [args, code, says] of wrong) refused(t, await outrider(t, args.split(' ')), 2, code, says)

  const file = join(temporaryFolder(t), 'sidecar.yaml')
  writeFileSync(file, 'outbound: 127.0.0.1:0\ndrainTimeout: 5s\n')
  const says = /sidecar\.yaml, key drainTimeout: is no option \(did you mean "drainTimeoutMs"\?\)/
  refused(t, await outrider(t, ['sidecar', '--config', file]), 2, 'config-unknown-key', says)
  const env = { OUTRIDER_ACCESS_LGO: 'all' }
  refused(t, await outrider(t, ['sidecar'], { env }), 2, 'config-unknown-key', /OUTRIDER_ACCESS_LOG/)
  const absent = join(temporaryFolder(t), 'absent.sock')
  refused(t, await outrider(t, ['status', '--socket', absent]), 5, 'rpc-unavailable', /start one with/)

  for (const args of [['--help'], ...Object.keys(commands).map((name) => [name, '--help'])]) {
    t.match(await outrider(t, args), { code: 0, stdout: /^Usage: outrider /, stderr: '' }, args.join(' '))
  }
})
