import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDocuments } from '../../policy/document.ts'
import { type AdminClient, connectAdmin } from '../../rpc/client.ts'
import { type Application, startApplication } from './application.ts'
import { get, until } from './call.ts'
import { type DemoProcess, start } from './process.ts'
import { demoResources, trustDomain } from './resources.ts'

/** A whole mesh on this machine: a control server, two applications, a sidecar beside each. */
export interface DemoMesh {
  readonly folder: string
  /** Ends everything that waits. */
  readonly signal: AbortSignal
  readonly adminSocket: string
  readonly admin: AdminClient
  readonly orders: Application
  /** Where the web application sends its requests. */
  readonly webOutbound: string
  readonly ordersInbound: string
  /** Admin endpoints of the two sidecars. */
  readonly sidecarAdmins: readonly string[]
  apply(yaml: string): Promise<number>
  /** Kills the control server, calls `whileDown`, and starts it again on the same data and port. */
  restartControl(whileDown: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

/** Brings the mesh up; on failure takes down what is up already. `svidTtlMs` is short where rotation is to be seen. */
export async function startMesh(
  svidTtlMs: number,
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<DemoMesh> {
  const folder = await mkdtemp(join(tmpdir(), 'outrider-demo-'))
  const opened: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })]
  const close = async (): Promise<void> => {
    for (const end of opened.splice(0).toReversed()) await end()
  }
  try {
    const adminSocket = join(folder, 'control', 'admin.sock')
    const startControl = (listen: string): Promise<DemoProcess> =>
      start(
        'control',
        [
          'control',
          '--data',
          join(folder, 'control'),
          '--listen',
          listen,
          '--admin',
          '127.0.0.1:0',
          '--trust-domain',
          trustDomain,
          '--svid-ttl-ms',
          String(svidTtlMs),
        ],
        env,
      )
    let control = await startControl('127.0.0.1:0')
    const controlAddress = String(control.ready['grpc'])
    opened.push(() => control.stop())
    const orders = await startApplication('orders')
    opened.push(() => orders.close())
    const admin = connectAdmin(adminSocket)
    opened.push(async () => admin.close())
    const apply = (yaml: string): Promise<number> => applyYaml(admin, yaml)
    const resources = demoResources({ orders: orders.port })
    await writeFile(join(folder, 'mesh.yaml'), resources)
    await apply(resources)

    const sidecar = async (workload: string, ports: readonly string[]): Promise<DemoProcess> => {
      const { token } = await admin.createToken({ namespace: 'default', workload })
      const started = await start(
        `sidecar of ${workload}`,
        ['sidecar', '--control-address', controlAddress, '--sidecar-id', workload, '--admin', '127.0.0.1:0', ...ports],
        { ...env, OUTRIDER_JOIN_TOKEN: token },
      )
      opened.push(() => started.stop())
      return started
    }
    const [web, serving] = await Promise.all([
      sidecar('web', ['--inbound', '', '--outbound', '127.0.0.1:0']),
      sidecar('orders', ['--inbound', `127.0.0.1:0=127.0.0.1:${orders.port}`, '--outbound', '']),
    ])
    const inbound = serving.ready['inbound']
    const webAdmin = String(web.ready['admin'])
    await until('the way to orders', signal, async () => knowsEndpoint((await get(webAdmin, webAdmin, '/policy')).body))
    return {
      folder,
      signal,
      adminSocket,
      admin,
      orders,
      webOutbound: String(web.ready['outbound']),
      ordersInbound: Array.isArray(inbound) ? String(inbound[0]) : '',
      sidecarAdmins: [webAdmin, String(serving.ready['admin'])],
      apply,
      async restartControl(whileDown) {
        await control.kill()
        await whileDown()
        control = await startControl(controlAddress)
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Whether a sidecar's policy has a service with an endpoint. */
function knowsEndpoint(policy: string): boolean {
  const { resources }: { resources: readonly { kind?: string; spec?: { endpoints?: readonly unknown[] } }[] } =
    JSON.parse(policy)
  return resources.some(({ kind, spec }) => kind === 'Service' && (spec?.endpoints?.length ?? 0) > 0)
}

async function applyYaml(admin: AdminClient, yaml: string): Promise<number> {
  const { documents } = parseDocuments(yaml, 'demo')
  const { revision } = await admin.apply({ documents: documents.map(({ value }) => JSON.stringify(value)) })
  return revision
}
