// 100 000 connections that come and go in the middle of whatever they began: bounded in time and memory, and everybody else
// is served.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import type { Address } from '../../src/lib/address.ts'
import { boundAddress } from '../fixtures/app.ts'
import { get, headers, prefaceBytes, request, settings } from '../fixtures/h2-frames.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { startServices } from '../fixtures/mesh.ts'
import { send } from '../fixtures/sidecar.ts'

checkLeaks(t)
t.setTimeout(500_000)

const CONNECTIONS = 100_000
const AT_ONCE = 200
/** For half of them, on a machine that others may use. */
const WITHIN_MS = 180_000
/** What 25 000 more of them may leave in a sidecar: less than 2 KiB each would show. */
const MORE_MEMORY_BYTES = 48 * 1024 * 1024

const app = createServer((_request, response) => response.end('ok'))
app.listen(0, '127.0.0.1')
await once(app, 'listening')
t.teardown(() => {
  app.close()
  app.closeAllConnections()
})
const { web, orders } = await startServices(t, [{ name: 'api', appPort: boundAddress(app).port }])

function memoryOf({ pid }: { readonly pid: number }): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

const greeting = Buffer.concat([prefaceBytes, settings()])
/** What is sent before the reset; all of it may never be read. */
const begun: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.from('GET / HTTP/1.1\r\nho'),
  Buffer.from('GET / HTTP/1.1\r\nhost: api\r\n\r\n'),
  Buffer.from('POST / HTTP/1.1\r\nhost: api\r\ncontent-length: 1000\r\n\r\nabc'),
  prefaceBytes.subarray(0, 10),
  greeting,
  Buffer.concat([greeting, get(1), get(3)]),
  Buffer.concat([greeting, headers(1, request('POST', '/', 'x', 'y'.repeat(1000)), 0)]),
  // The beginning of a ClientHello.
  Buffer.from('16030106b2010006ae0303', 'hex'),
  Buffer.from('\0\0\0 nothing that anybody knows'),
]

/** Opens a connection, sends, and resets it. */
function comeAndGo({ host, port }: Address, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.on('connect', () => {
      if (bytes.length === 0) socket.resetAndDestroy()
      else socket.write(bytes, () => socket.resetAndDestroy())
    })
  })
}

async function attack(target: Address, count: number): Promise<void> {
  let left = count
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await comeAndGo(target, begun[left % begun.length]!)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

for (const [name, target, sidecar] of [
  ['the listener for the own application', web.outbound, web],
  ['the listener for the mesh', orders.inbound[0]!, orders],
] as const) {
  t.test(`connections to ${name} that come and go`, async (t) => {
    const serve = async (): Promise<void> => {
      const { status, text } = await send(web.outbound, { headers: { host: 'api' } })
      t.strictSame([status, text], [200, 'ok'])
    }
    const started = performance.now()
    // The first ones make the heap as large as such a rate needs it.
    await attack(target, CONNECTIONS / 4)
    const before = memoryOf(sidecar)
    const attacked = attack(target, CONNECTIONS / 4)
    await serve()
    await attacked
    const took = performance.now() - started
    await serve()
    const more = memoryOf(sidecar) - before
    t.comment(`${CONNECTIONS / 2} connections in ${Math.round(took)} ms, ${Math.round(more / 1024 / 1024)} MiB more`)
    t.ok(took < WITHIN_MS)
    t.ok(more < MORE_MEMORY_BYTES, `${more} bytes more than after as many before`)
  })
}
