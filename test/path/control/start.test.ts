import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { startTestControl, temporaryFolder, workload } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

t.test('a first start makes a private folder, a second one finds it as it was', async (t) => {
  const control = await startTestControl(t)
  const { data } = control
  await control.apply(workload('web'))
  const { rootFingerprint } = await control.admin.getStatus({})
  t.equal(statSync(data).mode & 0o777, 0o700)
  t.equal(statSync(join(data, 'admin.sock')).mode & 0o777, 0o600)
  t.equal(statSync(join(data, 'outrider.db')).mode & 0o777, 0o600)
  await control.close()
  t.notOk(existsSync(join(data, 'admin.sock')))
  const again = await startTestControl(t, { data })
  t.equal((await again.admin.getStatus({})).rootFingerprint, rootFingerprint)
})

t.test('a second server on the same folder is refused, and the first goes on', async (t) => {
  const control = await startTestControl(t)
  await t.rejects(startTestControl(t, { data: control.data }), {
    code: 'data-folder-in-use',
    place: control.data,
  })
  await control.apply(workload('web'))
})

t.test('a folder or a key that others can read is refused', async (t) => {
  const wide = join(temporaryFolder(t), 'data')
  mkdirSync(wide, { mode: 0o755 })
  chmodSync(wide, 0o755)
  await t.rejects(startTestControl(t, { data: wide }), { code: 'data-folder-not-private', message: /755/ })

  const control = await startTestControl(t)
  await control.close()
  const authority = readdirSync(join(control.data, 'ca')).find((name) => name !== 'authorities.json')!
  chmodSync(join(control.data, 'ca', authority, 'root.key'), 0o644)
  await t.rejects(startTestControl(t, { data: control.data }), { code: 'ca-key-exposed' })
})

t.test('a CA that is gone is not replaced while the store knows a mesh', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  await control.close()
  const elsewhere = join(temporaryFolder(t), 'ca')
  renameSync(join(control.data, 'ca'), elsewhere)
  await t.rejects(startTestControl(t, { data: control.data }), { code: 'ca-file-missing', place: control.data })
  t.notOk(existsSync(join(control.data, 'ca')), 'nothing was made')
  renameSync(elsewhere, join(control.data, 'ca'))
  await startTestControl(t, { data: control.data })
})

t.test('a path that is no folder is refused', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'file'), '')
  await t.rejects(startTestControl(t, { data: join(folder, 'file') }), { code: 'data-folder-unusable' })
  mkdirSync(join(folder, 'real'), { mode: 0o700 })
  symlinkSync(join(folder, 'real'), join(folder, 'link'))
  await t.rejects(startTestControl(t, { data: join(folder, 'link') }), { code: 'data-folder-unusable' })
})

t.test('a damaged database is refused in one line, and the folder is left alone', async (t) => {
  const control = await startTestControl(t)
  await control.close()
  writeFileSync(join(control.data, 'outrider.db'), 'x'.repeat(10_000))
  for (const attempt of ['first', 'second']) {
    await t.rejects(
      startTestControl(t, { data: control.data }),
      { code: 'database-corrupt', message: /^[^\n]+$/ },
      attempt,
    )
  }
})

t.test('another trust domain than that of the folder is refused', async (t) => {
  const control = await startTestControl(t)
  await control.close()
  await t.rejects(startTestControl(t, { data: control.data, 'trust-domain': 'other.local' }), {
    code: 'ca-trust-domain',
  })
})

t.test('a port in use is refused, and nothing stays open', async (t) => {
  const control = await startTestControl(t)
  const listen = control.server.grpcAddress
  const data = join(temporaryFolder(t), 'data')
  await t.rejects(startTestControl(t, { data, listen }), { code: 'listen-failed', message: /another program/ })
  const free = await startTestControl(t, { data })
  await free.close()
})

t.test('a socket that somebody serves is refused, a left-over one is replaced', async (t) => {
  const socket = join(temporaryFolder(t), 'admin.sock')
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(socket, resolve))
  await t.rejects(startTestControl(t, { 'admin-socket': socket }), { code: 'socket-in-use', place: socket })
  await new Promise<void>((resolve) => other.close(() => resolve()))

  const first = await startTestControl(t, { 'admin-socket': socket })
  t.equal(first.server.adminSocket, socket)
  // As after a crash: the socket is there and nobody answers.
  const control = await startTestControl(t)
  const stale = join(control.data, 'stale.sock')
  const crashed = createServer()
  await new Promise<void>((resolve) => crashed.listen(join(control.data, 'born.sock'), resolve))
  renameSync(join(control.data, 'born.sock'), stale)
  await new Promise<void>((resolve) => crashed.close(() => resolve()))
  const second = await startTestControl(t, { 'admin-socket': stale })
  t.equal((await second.admin.getStatus({})).revision, 0)

  writeFileSync(join(control.data, 'file'), '')
  await t.rejects(startTestControl(t, { 'admin-socket': join(control.data, 'file') }), { code: 'socket-path-taken' })
  const long = join(temporaryFolder(t), 'a'.repeat(100))
  await t.rejects(startTestControl(t, { 'admin-socket': long }), { code: 'socket-path-too-long' })
})

t.test('destroy stops at once, and may come after close', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  control.admin.close()
  control.server.destroy()
  control.server.destroy()
  const again = await startTestControl(t, { data: control.data })
  t.equal((await again.admin.list({})).resources.length, 1)
})

t.test('the admin endpoint tells what every process tells', async (t) => {
  const control = await startTestControl(t, { admin: '127.0.0.1:0' })
  const at = `http://${control.server.adminAddress}`
  const ask = async (path: string, init: RequestInit = {}): Promise<readonly [number, string]> => {
    const response = await fetch(`${at}${path}`, { ...init, headers: { connection: 'close' } })
    return [response.status, await response.text()]
  }
  t.same(await ask('/live'), [200, 'live\n'])
  t.same(await ask('/ready'), [200, 'ready\n'])
  t.match(await ask('/metrics'), [200, /^outrider_store_revision \d+$/m])
  t.same(await ask('/log-level', { method: 'PUT', body: 'warn' }), [200, 'warn\n'])
  t.same(await ask('/log-level'), [200, 'warn\n'])
  await control.close()
  await t.rejects(ask('/live'))

  const none = await startTestControl(t)
  t.equal(none.server.adminAddress, undefined)
  t.equal(none.server.healthAddress, undefined)
})

t.test('a kubelet is told whether the control server lives and is ready, and nothing else', async (t) => {
  const control = await startTestControl(t, { health: '127.0.0.1:0' })
  const ask = async (path: string): Promise<number> =>
    (await fetch(`http://${control.server.healthAddress}${path}`, { headers: { connection: 'close' } })).status
  t.same([await ask('/ready'), await ask('/live'), await ask('/metrics')], [200, 200, 404])
  await control.close()
  await t.rejects(ask('/live'))
})
