// An endpoint is announced when its application listens, and not before.
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import t, { type Test } from 'tap'
import type { Address } from '../../../src/lib/address.ts'
import { type Advertised, AppListens } from '../../../src/sidecar/app-listens.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { eventually } from '../../fixtures/sidecar.ts'
import { freePort } from '../../fixtures/web-server.ts'

checkLeaks(t)

const at = (port: number, hosts: readonly string[] = ['127.0.0.1', '::1']): Advertised => ({
  endpoint: { appPort: port, address: '192.0.2.1', port },
  apps: hosts.map((host): Address => ({ host, port })),
})

function watch(t: Test, announced: readonly Advertised[]): { told: number[][]; clock: TestClock; watched: AppListens } {
  const told: number[][] = []
  const clock = new TestClock()
  const watched = new AppListens({
    announced,
    tell: (endpoints) => void told.push(endpoints.map(({ endpoint }) => endpoint.port)),
    clock,
    random: () => 0.5,
    log: createLogger({ name: 'sidecar', level: 'error', clock, sink: { write: () => {} } }),
  })
  t.teardown(() => watched.close())
  return { told, clock, watched }
}

async function listen(t: Test, port: number, host = '127.0.0.1'): Promise<Server> {
  const server = createServer((socket) => socket.resume().on('error', () => {}))
  server.listen(port, host)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return server
}

t.test('each port by itself, in the order of the endpoints', async (t) => {
  const [first, second] = [await freePort(), await freePort()]
  const { told, clock } = watch(t, [at(first), at(second)])
  t.same(told, [[]], 'none yet')
  await listen(t, second, '::1')
  await eventually(() => {
    clock.advance(1000)
    return told.length === 2
  }, 'the second is told, whichever family it listens in')
  t.same(told.at(-1), [second])
  await listen(t, first)
  await eventually(() => {
    clock.advance(1000)
    return told.length === 3
  }, 'the first is told')
  t.same(told.at(-1), [first, second])
})

t.test('a port that listens is left alone from then on', async (t) => {
  const port = await freePort()
  const server = await listen(t, port)
  let connections = 0
  server.on('connection', () => (connections += 1))
  const { told, clock } = watch(t, [at(port, ['127.0.0.1'])])
  await eventually(() => told.length === 2 && connections === 1, 'it is told at once')
  for (let round = 0; round < 50; round += 1) {
    clock.advance(1000)
    await new Promise(setImmediate)
  }
  t.equal(connections, 1)
  t.same(told, [[], [port]])
})

t.test('nothing is told after the close', async (t) => {
  const port = await freePort()
  const { told, clock, watched } = watch(t, [at(port)])
  watched.close()
  await listen(t, port)
  for (let round = 0; round < 50; round += 1) {
    clock.advance(1000)
    await new Promise(setImmediate)
  }
  t.same(told, [[]])
})
