// A sidecar whose process hangs: it reads nothing any more from its connection, and closes it neither.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { parseAddress } from '../../../src/lib/address.ts'
import { boundAddress } from '../../fixtures/app.ts'
import { allow, joinMesh, openStream, startTestControl, type TestControl, workload } from '../../fixtures/control.ts'

/** Some 60 KB each, more than the windows of HTTP/2 and the buffers of the kernel hold after a few. */
const RULES = 500
const CHANGES = 40

/** A way to the control server that can be left unread. */
async function relay(t: Test, control: string): Promise<{ address: string; stall: () => void }> {
  const sockets = new Set<Socket>()
  const fars = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect({ ...parseAddress(control)! })
    fars.add(far)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    near.pipe(far)
    far.on('data', (part) => near.write(part))
    far.on('close', () => near.destroy())
    near.on('close', () => far.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    address: `127.0.0.1:${boundAddress(server).port}`,
    stall: () => {
      for (const far of fars) far.pause()
    },
  }
}

function large(change: number): object {
  const rules = Array.from({ length: RULES }, (_, rule) => ({
    to: [{ paths: [`/change/${change}/rule/${rule}/{**}`] }],
  }))
  return allow('large', { rules })
}

async function sidecarOf({ admin }: TestControl, id: string): Promise<{ state: string; sentRevision: number }> {
  const { sidecars } = await admin.listSidecars({})
  const found = sidecars.find(({ sidecarId }) => sidecarId === id)
  return { state: found?.state ?? 'none', sentRevision: found?.sentRevision ?? 0 }
}

t.test('a sidecar that does not read keeps nobody waiting, holds one update, and is ended', async (t) => {
  const control = await startTestControl(t)
  const { clock } = control
  await control.apply(workload('web'))
  const way = await relay(t, control.server.grpcAddress)
  const hung = await joinMesh(way.address, await control.token('web'), clock)
  t.teardown(() => hung.close())
  const slow = openStream(hung, { sidecarId: 'hung', programVersion: '1.0' })
  slow.ack(await slow.next())
  const fast = openStream(await control.join('web'), { sidecarId: 'fast', programVersion: '1.0' })
  fast.ack(await fast.next())
  for (const id of ['hung', 'fast']) {
    while ((await sidecarOf(control, id)).state !== 'STATE_SYNCED') await turn()
  }

  way.stall()
  const first = await control.apply(large(0))
  for (let change = 1; change <= CHANGES; change += 1) {
    clock.advance(100)
    const update = await fast.next()
    t.equal(update.changed[0]?.authorizationPolicy?.rules.length, RULES)
    fast.ack(update)
    while ((await sidecarOf(control, 'fast')).state !== 'STATE_SYNCED') await turn()
    if (change < CHANGES) await control.apply(large(change))
  }
  t.strictSame(
    await sidecarOf(control, 'hung'),
    { state: 'STATE_PENDING', sentRevision: first },
    'one update is in flight, what came later waits as one more',
  )
  clock.advance(10_001)
  t.equal((await sidecarOf(control, 'hung')).state, 'STATE_LAGGING')
  clock.advance(50_000)
  t.equal((await sidecarOf(control, 'hung')).state, 'STATE_DISCONNECTED', 'a minute without an answer is too much')
  t.equal((await sidecarOf(control, 'fast')).state, 'STATE_SYNCED')
  slow.call.cancel()
  fast.call.cancel()
})
