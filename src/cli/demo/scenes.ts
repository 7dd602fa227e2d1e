import { connect } from 'node:tls'
import { setTimeout as pause } from 'node:timers/promises'
import { type Answer, get, load, type LoadResult, until } from './call.ts'
import type { DemoMesh } from './mesh.ts'
import { ordersPolicy, REPORTS_PER_MINUTE } from './resources.ts'

const ALLOWED_PATHS = '["/orders/*", "/reports"]'
/** How long the control server stays away. */
const DOWN_MS = 2_000

export function allowed(mesh: DemoMesh): Promise<Answer> {
  return get(mesh.webOutbound, 'orders', '/orders/42')
}

export function denied(mesh: DemoMesh): Promise<Answer> {
  return get(mesh.webOutbound, 'orders', '/admin/keys')
}

/** The first answer that is none of the allowed ones. */
export async function limited(mesh: DemoMesh): Promise<Answer> {
  let answer = await get(mesh.webOutbound, 'orders', '/reports')
  for (let sent = 1; answer.status === 200 && sent <= REPORTS_PER_MINUTE; sent += 1) {
    answer = await get(mesh.webOutbound, 'orders', '/reports')
  }
  return answer
}

/** Talks TLS to the orders sidecar without an identity. `refused` when not one byte was answered and nothing got through. */
export async function intruder(mesh: DemoMesh): Promise<'refused' | 'answered'> {
  const before = mesh.orders.requests()
  const [host = '', port = ''] = mesh.ordersInbound.split(/:(?=\d+$)/)
  const answered = await new Promise<boolean>((resolve) => {
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false, servername: '' })
    let bytes = 0
    socket.on('secureConnect', () => socket.write('GET /orders/42 HTTP/1.1\r\nHost: orders\r\n\r\n'))
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(bytes > 0))
    socket.setTimeout(10_000, () => socket.destroy())
  })
  return !answered && mesh.orders.requests() === before ? 'refused' : 'answered'
}

/** Takes a permission away and gives it back; the slower of the two, from `apply` to enforcement in every sidecar. */
export async function policyChange(mesh: DemoMesh): Promise<number> {
  const without = await enforced(mesh, '["/reports"]', 403)
  const back = await enforced(mesh, ALLOWED_PATHS, 200)
  return Math.max(without, back)
}

async function enforced(mesh: DemoMesh, paths: string, status: number): Promise<number> {
  const started = performance.now()
  const revision = await mesh.apply(ordersPolicy(paths))
  await until(`status ${status}`, mesh.signal, async () => (await allowed(mesh)).status === status)
  await until(`revision ${revision} everywhere`, mesh.signal, async () => {
    const { sidecars } = await mesh.admin.listSidecars({})
    return sidecars.length === mesh.sidecarAdmins.length && sidecars.every(({ state }) => state === 'STATE_SYNCED')
  })
  return Math.round(performance.now() - started)
}

/** Load on the mesh until both sidecars have new certificates. */
export async function rotation(mesh: DemoMesh): Promise<LoadResult> {
  const before = await serials(mesh)
  return load(mesh.webOutbound, 'orders', '/orders/42', () =>
    until('new certificates in both sidecars', mesh.signal, async () => {
      const now = await serials(mesh)
      return now.every((serial, index) => serial !== before[index])
    }),
  )
}

/** Load on the mesh while the control server is killed, stays away, and comes back until it sees both sidecars again. */
export async function controlDown(mesh: DemoMesh): Promise<LoadResult> {
  return load(mesh.webOutbound, 'orders', '/orders/42', async () => {
    await mesh.restartControl(() => pause(DOWN_MS, undefined, { signal: mesh.signal }))
    await until('both sidecars back at the control server', mesh.signal, async () => {
      const { connectedSidecars } = await mesh.admin.getStatus({})
      return connectedSidecars === mesh.sidecarAdmins.length
    })
  })
}

async function serials(mesh: DemoMesh): Promise<string[]> {
  return Promise.all(
    mesh.sidecarAdmins.map(async (admin) => {
      const { body } = await get(admin, admin, '/certs')
      const { svid }: { svid: { serial: string } } = JSON.parse(body)
      return svid.serial
    }),
  )
}
