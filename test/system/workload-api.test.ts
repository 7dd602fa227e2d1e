// Others take their identity from a sidecar: Go programs by the library of the SPIFFE project, Envoy by secret discovery, and
// sidecars. And a sidecar takes its own from files.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Address } from '../../src/lib/address.ts'
import { startApp } from '../fixtures/app.ts'
import { envoy, goProgram } from '../fixtures/foreign.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import {
  ask,
  beginSidecar,
  identityFor,
  idOf,
  knowsEndpoints,
  ordersResources,
  readySidecar,
  sendToOrders,
  type SidecarProcess,
  startMesh,
  svidSerial,
  type TestMesh,
} from '../fixtures/mesh.ts'
import { runProgram, startProgram, temporaryFolder, until } from '../fixtures/process.ts'
import { send } from '../fixtures/sidecar.ts'
import { accepts, freePort } from '../fixtures/web-server.ts'

checkLeaks(t)

interface Setting {
  readonly mesh: TestMesh
  readonly web: SidecarProcess
  readonly orders: SidecarProcess
  /** The Workload API of `web`. */
  readonly socket: string
}

/** State of the world, or deltas. */
type EnvoyForm = 'GRPC' | 'DELTA_GRPC'

/** `orders` with an application, and `web`, whose identity others share. */
async function start(t: Test, ttl = '24h'): Promise<Setting> {
  const app = await startApp(t, ({ headers }, response) => void response.end(headers['x-forwarded-client-cert']))
  const mesh = await startMesh(t, ['--svid-ttl-ms', ttl])
  await mesh.apply(ordersResources(app.address.port))
  const socket = join(temporaryFolder(t), 'api.sock')
  const [web, orders] = await Promise.all([
    mesh.sidecar('web', ['--outbound', '127.0.0.1:0', '--workload-api-socket', socket]),
    mesh.sidecar('orders', ['--inbound', `127.0.0.1:0=http1://127.0.0.1:${app.address.port}`, '--outbound', '']),
  ])
  await knowsEndpoints(web, 1)
  return { mesh, web, orders, socket }
}

/** A sidecar without a join token. */
async function elsewhere({ mesh }: Setting, t: Test, flags: readonly string[]): Promise<SidecarProcess> {
  const program = beginSidecar(t, mesh.control.grpc, '', [
    '--sidecar-id',
    'other',
    '--outbound',
    '127.0.0.1:0',
    ...flags,
  ])
  const sidecar = await readySidecar(program)
  await knowsEndpoints(sidecar, 1)
  return sidecar
}

t.test('go-spiffe: an SVID, mutual TLS with it, a JWT-SVID, and each renewal', async (t) => {
  const client = await goProgram(t, 'workload-client')
  if (client.kind === 'missing') return t.comment(client.why)
  const { socket } = await start(t, '10s')
  const env = { SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` }
  const { code, stdout, stderr } = await runProgram(t, client.file, ['2'], { env })
  t.equal(code, 0, stderr)
  const lines = stdout.trim().split('\n')
  const serials = new Set(lines.filter((line) => line.startsWith(`svid ${idOf('web')} `)))
  t.equal(serials.size, 3, stdout)
  t.ok(lines.includes(`jwt ${idOf('web')} ${idOf('web')}`), 'a JWT-SVID, verified by its keys and by the sidecar')
  t.equal(lines.filter((line) => line === `handshake ${idOf('web')} ${idOf('web')}`).length, 3)
})

for (const form of ['GRPC', 'DELTA_GRPC'] as const)
  t.test(`Envoy takes its identity from the sidecar, and each renewal: ${form}`, (t) => envoyFollows(t, form))

async function envoyFollows(t: Test, form: EnvoyForm): Promise<void> {
  const found = envoy()
  if (found.kind === 'missing') {
    t.comment(found.why)
    return
  }
  const setting = await start(t, '10s')
  const ports = { listener: await freePort(), admin: await freePort() }
  const config = join(temporaryFolder(t), 'envoy.json')
  writeFileSync(config, JSON.stringify(envoyConfig(setting, ports, form)))
  startProgram(t, found.file, ['-c', config, '--concurrency', '1', '--use-dynamic-base-id', '-l', 'warning'])
  const listener = { host: '127.0.0.1', port: ports.listener }
  await until('Envoy serves', () => accepts(ports.listener))
  await until('Envoy has an identity', async () => (await send(listener)).status === 200)
  t.match((await send(listener)).text, `URI=${idOf('web')}`)

  const admin = { host: '127.0.0.1', port: ports.admin }
  const shown = async (): Promise<string> => (await ask(admin, '/certs')).text
  t.match(await shown(), idOf('web'))
  const before = await svidSerial(setting.web)
  t.match(await shown(), new RegExp(before, 'i'))
  await until('the SVID is renewed', async () => (await svidSerial(setting.web)) !== before)
  const after = await svidSerial(setting.web)
  await until('Envoy has the new one', async () => new RegExp(after, 'i').test(await shown()))
  t.equal((await send(listener)).status, 200)
}

t.test('a sidecar takes its identity from the Workload API of another', async (t) => {
  const setting = await start(t, '10s')
  const { web, socket } = setting
  const other = await elsewhere(setting, t, [
    '--identity-source',
    'workload-api',
    '--spiffe-endpoint-socket',
    `unix://${socket}`,
  ])
  t.match(await sendToOrders(other, '/'), { status: 200, text: new RegExp(`URI=${idOf('web')}`) })
  t.equal(await svidSerial(other), await svidSerial(web))
  const before = await svidSerial(web)
  await until('both have the next', async () => {
    const serial = await svidSerial(web)
    return serial !== before && (await svidSerial(other)) === serial
  })
  t.equal((await sendToOrders(other, '/')).status, 200)
  await web.stop('SIGKILL')
  t.equal((await sendToOrders(other, '/')).status, 200, 'what it has, it has')
})

t.test('a sidecar takes its identity from files, and follows them', async (t) => {
  const setting = await start(t)
  const folder = temporaryFolder(t)
  const file = (name: string): string => join(folder, name)
  const write = async (): Promise<void> => {
    const { cert, key, roots } = await identityFor(setting.mesh, 'web')
    writeFileSync(file('tls.crt'), cert)
    writeFileSync(file('tls.key'), key, { mode: 0o600 })
    writeFileSync(file('ca.crt'), roots)
  }
  await write()
  const other = await elsewhere(setting, t, [
    '--identity-source',
    'files',
    '--identity-certificate',
    file('tls.crt'),
    '--identity-key',
    file('tls.key'),
    '--identity-bundle',
    file('ca.crt'),
  ])
  t.match(await sendToOrders(other, '/'), { status: 200, text: new RegExp(`URI=${idOf('web')}`) })
  const before = await svidSerial(other)
  await write()
  await until('the new files are in use', async () => (await svidSerial(other)) !== before)
  t.equal((await sendToOrders(other, '/')).status, 200)
})

/** HTTP without TLS on one side, and mutual TLS with what the sidecar gives out to the inbound listener of `orders` on the other. */
function envoyConfig({ orders, socket }: Setting, ports: { listener: number; admin: number }, form: EnvoyForm): object {
  const type = (name: string): { '@type': string } => ({ '@type': `type.googleapis.com/${name}` })
  const http2 = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      ...type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
      explicit_http_config: { http2_protocol_options: {} },
    },
  }
  const cluster = (name: string, address: object, more: object = {}): object => ({
    name,
    type: 'STATIC',
    typed_extension_protocol_options: http2,
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    ...more,
  })
  const secret = (name: string): object => ({
    name,
    sds_config: {
      resource_api_version: 'V3',
      api_config_source: {
        api_type: form,
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'sidecar' } }],
      },
    },
  })
  const tls = {
    ...type('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
    common_tls_context: {
      alpn_protocols: ['h2'],
      tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
      tls_certificate_sds_secret_configs: [secret('default')],
      combined_validation_context: {
        default_validation_context: {
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: idOf('orders') } }],
        },
        validation_context_sds_secret_config: secret('ROOTCA'),
      },
    },
  }
  const socketAddress = ({ host, port }: Address): object => ({ socket_address: { address: host, port_value: port } })
  return {
    admin: { address: socketAddress({ host: '127.0.0.1', port: ports.admin }) },
    node: { id: 'envoy', cluster: 'test' },
    static_resources: {
      listeners: [
        {
          name: 'in',
          address: socketAddress({ host: '127.0.0.1', port: ports.listener }),
          filter_chains: [
            {
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    ...type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
                    stat_prefix: 'in',
                    route_config: {
                      virtual_hosts: [
                        {
                          name: 'all',
                          domains: ['*'],
                          routes: [
                            { match: { prefix: '/' }, route: { cluster: 'orders', host_rewrite_literal: 'orders' } },
                          ],
                        },
                      ],
                    },
                    http_filters: [
                      {
                        name: 'envoy.filters.http.router',
                        typed_config: type('envoy.extensions.filters.http.router.v3.Router'),
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        cluster('sidecar', { pipe: { path: socket } }),
        cluster('orders', socketAddress(orders.inbound[0]!), {
          transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls },
        }),
      ],
    },
  }
}
