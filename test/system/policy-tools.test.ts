import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startApp } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { ordersResources, resource, startMesh, startPair, idOf } from '../fixtures/mesh.ts'
import { outrider, temporaryFolder, until } from '../fixtures/process.ts'

checkLeaks(t)

t.test('the table of semantics, by the program itself', async (t) => {
  const junit = join(temporaryFolder(t), 'report.xml')
  const table = 'test/vectors/authorization-semantics.yaml'
  const { code, stdout, stderr } = await outrider(t, ['policy', 'test', table, '--junit', junit])
  t.equal(code, 0, stderr)
  const [, passed = '0'] = /^(\d+) passed, 0 failed/m.exec(stdout) ?? []
  t.ok(Number(passed) >= 150, `${passed} cases`)
  t.match(readFileSync(junit, 'utf8'), `<testsuites tests="${passed}" failures="0">`)
})

t.test('a policy is suggested from the traffic of a mesh, and holds for that traffic and no other', async (t) => {
  const mesh = await startMesh(t)
  const app = await startApp(t)
  await mesh.apply(ordersResources(app.address.port))
  const log = join(temporaryFolder(t), 'access.jsonl')
  const pair = await startPair(mesh, app.address.port, {
    orders: ['--access-log', 'all', '--access-log-path', log],
  })
  const observed = ['/orders/11', '/orders/12', '/orders/13', '/orders', '/health']
  for (const path of observed) t.equal((await pair.send(path)).status, 200)
  t.equal((await pair.send('/orders', { method: 'POST' })).status, 403)
  await until('the lines are written', async () => readFileSync(log, 'utf8').split('\n').length > observed.length + 1)

  const suggested = await mesh.command(['policy', 'suggest', '--live', '--log', log])
  t.equal(suggested.code, 0, suggested.stderr)
  t.match(suggested.stdout, '"/orders/{*}"')
  t.match(suggested.stdout, `"${idOf('web')}"`)
  const file = join(temporaryFolder(t), 'suggested.yaml')
  writeFileSync(file, suggested.stdout)
  const set = join(temporaryFolder(t), 'set.yaml')
  const workloads = ['web', 'orders'].map((name) => resource('Workload', name, { spiffeId: idOf(name) }))
  writeFileSync(set, workloads.join('\n---\n'))

  const replayed = await outrider(t, ['policy', 'replay', '-f', set, '-f', file, '--log', log, '--fail-on-denied'])
  t.equal(replayed.code, 0, replayed.stdout)
  t.match(replayed.stdout, `${observed.length + 1} the same, 0 newly denied, 0 newly allowed, 0 undecidable`)
  const linted = await outrider(t, ['policy', 'lint', '-f', set, '-f', file, '--strict'])
  t.equal(linted.code, 0, linted.stdout)

  t.equal((await mesh.command(['apply', '-f', file])).code, 0)
  t.equal((await mesh.command(['delete', 'AuthorizationPolicy', 'orders'])).code, 0)
  await until('the old policy is gone', async () => (await pair.send('/admin')).status === 403)
  t.equal((await pair.send('/orders/99')).status, 200, 'an ID that was not seen')
  for (const path of observed) t.equal((await pair.send(path)).status, 200, path)
  for (const path of ['/admin', '/orders/11/items', '/health/']) t.equal((await pair.send(path)).status, 403, path)
})
