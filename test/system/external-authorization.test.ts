// Real processes: an Envoy asks a sidecar about the requests that it forwards, a sidecar asks a server over gRPC, and API keys from
// the command line to the application.
import { request as httpsRequest } from 'node:https'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Address, formatAddress, parseAddress } from '../../src/lib/address.ts'
import { startApp, type TestApp } from '../fixtures/app.ts'
import { startAuthorizationServer } from '../fixtures/authorization-server.ts'
import { envoy } from '../fixtures/foreign.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import {
  ask,
  identityFor,
  idOf,
  ordersResources,
  resource,
  sendToOrders,
  type SidecarProcess,
  startMesh,
  startPair,
  type TestMesh,
  type TlsIdentity,
} from '../fixtures/mesh.ts'
import { startProgram, temporaryFolder, until } from '../fixtures/process.ts'
import { exchange, type Reply, sumOf } from '../fixtures/sidecar.ts'
import { accepts, freePort } from '../fixtures/web-server.ts'

checkLeaks(t)

const apiKeys = resource('RequestAuthentication', 'keys', {
  workloads: ['orders'],
  apiKeys: { from: [{ header: 'x-api-key' }, { query: 'key' }] },
})

async function createKey(mesh: TestMesh, ...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await mesh.command(['apikey', 'create', ...words])
  if (code !== 0) throw new Error(stderr)
  return stdout.trim()
}

async function isInForce({ admin }: SidecarProcess, kind: string): Promise<void> {
  await until(`${kind} is in force`, async () => (await ask(admin, '/policy')).text.includes(`"${kind}"`))
}

t.test('an API key from the command line to the application, and its end', async (t) => {
  const app = await startApp(t)
  const mesh = await startMesh(t)
  await mesh.apply([ordersResources(app.address.port), apiKeys].join('\n---\n'))
  const key = await createKey(mesh, 'shop', '--owner', 'shop', '--workload', 'orders')
  const { web, orders } = await startPair(mesh, app.address.port, { orders: ['--workers', '2'] })
  await isInForce(orders, 'ApiKey')
  const call = (text: string): Promise<Reply> => sendToOrders(web, '/', { headers: { 'x-api-key': text } })
  t.equal((await call(key)).status, 200)
  t.notOk(app.seen[0]!.headers['x-api-key'])
  t.equal((await mesh.command(['apikey', 'revoke', 'shop'])).code, 0)
  await until('the key is refused', async () => (await call(key)).status === 401)
  for (let tries = 0; tries < 10; tries += 1) await call(key)
  const locked = await call(key)
  t.equal(locked.status, 429, 'threads count together')
  t.ok(Number(locked.headers['retry-after']) > 0)
  for (const text of [orders.stdout, orders.stderr, mesh.control.stdout, mesh.control.stderr]) {
    t.notOk(text.includes(key.slice(-51, -8)), 'the secret is in no log')
  }
})

t.test('a sidecar asks a server; each of its threads', async (t) => {
  const app = await startApp(t)
  const server = await startAuthorizationServer(t, ({ attributes }) =>
    attributes?.request?.http?.headers['x-user'] === 'alice'
      ? { status: { code: 0 }, okResponse: { headers: [{ header: { key: 'x-role', value: 'admin' } }] } }
      : { status: { code: 7 }, deniedResponse: { status: { code: 401 }, body: 'who are you?' } },
  )
  const mesh = await startMesh(t)
  const external = resource('ExternalAuthorization', 'asked', { address: formatAddress(server.address), timeout: '5s' })
  await mesh.apply([ordersResources(app.address.port), external].join('\n---\n'))
  const { web, orders } = await startPair(mesh, app.address.port, { orders: ['--workers', '2'] })
  await isInForce(orders, 'ExternalAuthorization')
  const call = (user: string): Promise<Reply> => sendToOrders(web, '/', { headers: { 'x-user': user } })
  t.match(await call('mallory'), { status: 401, text: 'who are you?' })
  t.equal((await call('alice')).status, 200)
  t.equal(app.seen.length, 1)
  t.equal(app.seen[0]!.headers['x-role'], 'admin')
  server.stop()
  t.equal((await call('alice')).status, 503)
  t.equal(app.seen.length, 1)
})

t.test('an Envoy asks a sidecar', async (t) => {
  const found = envoy()
  if (found.kind === 'missing') return t.comment(`SKIPPED: ${found.why}`)
  const setting = await startBehindEnvoy(t, found.file)
  const { call, app, mesh, orders, web, stranger } = setting

  t.equal((await call('/allowed/a?x=1', web)).status, 200)
  t.equal(app.seen.at(-1)!.target, '/allowed/a?x=1')
  const denied = await call('/forbidden', web)
  t.equal(denied.status, 403)
  t.match(denied.headers, { 'x-outrider-refusal': 'no-allow-rule' })
  t.match(denied.text, /^no-allow-rule: /)
  t.equal((await call('/allowed/a', stranger)).status, 403, 'another workload')
  t.equal((await call('/allowed/a', web, { method: 'POST' })).status, 403)
  t.equal((await call('/allowed/../forbidden', web)).status, 403, 'Envoy normalises, and that is what is decided on')
  t.equal((await call('//allowed//a', web)).status, 200)
  t.equal(app.seen.at(-1)!.target, '/allowed/a')
  t.equal((await call('/allowed/%2e%2e/forbidden', web)).status, 403)
  t.equal((await call('/allowed%2fa', web)).status, 400)
  t.equal(app.seen.length, 2)

  const key = await createKey(mesh, 'shop', '--owner', 'shop')
  await isInForce(orders, 'ApiKey')
  t.equal((await call('/allowed/a', web, { headers: { 'x-api-key': key } })).status, 200)
  t.notOk(app.seen.at(-1)!.headers['x-api-key'], 'Envoy takes out what the sidecar says')
  t.equal((await call(`/allowed/a?a=1&key=${key}`, web)).status, 200)
  t.equal(app.seen.at(-1)!.target, '/allowed/a?a=1')
  const wrong = await call('/allowed/a', web, { headers: { 'x-api-key': `${key.slice(0, -1)}x` } })
  t.equal(wrong.status, 401)

  await mesh.apply(resource('Revocation', 'web', { spiffeIds: [idOf('web')], reason: 'test' }))
  await until('the identity is refused', async () => (await call('/allowed/a', web)).status === 403)
  const metrics = (await ask(orders.admin, '/metrics')).text
  t.ok(sumOf(metrics, 'outrider_ext_authz_checks_total', { decision: 'allow' }) >= 4)
  t.ok(sumOf(metrics, 'outrider_ext_authz_checks_total', { refusal: 'principal-refused' }) >= 1)
  t.match(orders.stdout, /"reporter":"ext-authz".*"code":"no-allow-rule"/)

  await orders.stop('SIGKILL')
  t.equal((await call('/allowed/a', web)).status, 403, 'with nobody to ask an Envoy denies')
})

interface BehindEnvoy {
  readonly mesh: TestMesh
  readonly orders: SidecarProcess
  readonly app: TestApp
  readonly web: TlsIdentity
  readonly stranger: TlsIdentity
  readonly call: (path: string, as: TlsIdentity, options?: object) => Promise<Reply>
}

/** An Envoy that takes clients over mutual TLS before the application of `orders`, and asks the sidecar of `orders` about them. */
async function startBehindEnvoy(t: Test, file: string): Promise<BehindEnvoy> {
  const app = await startApp(t)
  const mesh = await startMesh(t)
  const { port } = app.address
  const other = resource('Workload', 'other', { spiffeId: idOf('other') })
  await mesh.apply([ordersResources(port, { paths: ['/allowed/{**}'] }), other, apiKeys].join('\n---\n'))
  const orders = await mesh.sidecar('orders', ['--outbound', '', '--workers', '2', '--ext-authz', '127.0.0.1:0'])
  const { extAuthz } = JSON.parse(await orders.line(/"ready":"sidecar"/))
  const ports = { listener: await freePort(), authz: parseAddress(extAuthz)!.port }
  await isInForce(orders, 'RequestAuthentication')
  const [own, web, stranger] = [
    await identityFor(mesh, 'orders'),
    await identityFor(mesh, 'web'),
    await identityFor(mesh, 'other'),
  ]
  const folder = temporaryFolder(t)
  const path = (name: string): string => join(folder, name)
  writeFileSync(path('cert.pem'), own.cert)
  writeFileSync(path('key.pem'), own.key, { mode: 0o600 })
  writeFileSync(path('roots.pem'), own.roots)
  writeFileSync(path('envoy.json'), JSON.stringify(envoyConfig(path, ports, port)))
  startProgram(t, file, ['-c', path('envoy.json'), '--concurrency', '1', '--use-dynamic-base-id', '-l', 'warning'])
  await until('Envoy serves', () => accepts(ports.listener))
  const listener: Address = { host: '127.0.0.1', port: ports.listener }
  const call: BehindEnvoy['call'] = (target, { cert, key, roots }, options = {}) => {
    const tls = { cert, key, ca: roots, servername: '', checkServerIdentity: () => undefined }
    return exchange(httpsRequest, listener, { path: target, ...options, ...tls })
  }
  return { mesh, orders, app, web, stranger, call }
}

function envoyConfig(
  path: (name: string) => string,
  ports: { readonly listener: number; readonly authz: number },
  appPort: number,
): object {
  const type = (name: string): { '@type': string } => ({ '@type': `type.googleapis.com/envoy.${name}` })
  const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } })
  const cluster = (name: string, port: number, protocol: string): object => ({
    name,
    type: 'STATIC',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        ...type('extensions.upstreams.http.v3.HttpProtocolOptions'),
        explicit_http_config: { [protocol]: {} },
      },
    },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
  })
  const perRoute = {
    ...type('extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute'),
    check_settings: { context_extensions: { 'outrider.port': String(appPort) } },
  }
  const manager = {
    ...type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'in',
    normalize_path: true,
    merge_slashes: true,
    path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }],
          typed_per_filter_config: { 'envoy.filters.http.ext_authz': perRoute },
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.ext_authz',
        typed_config: {
          ...type('extensions.filters.http.ext_authz.v3.ExtAuthz'),
          transport_api_version: 'V3',
          grpc_service: { envoy_grpc: { cluster_name: 'outrider' }, timeout: '5s' },
          include_peer_certificate: true,
          include_tls_session: true,
        },
      },
      { name: 'envoy.filters.http.router', typed_config: type('extensions.filters.http.router.v3.Router') },
    ],
  }
  const tls = {
    ...type('extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
    require_client_certificate: true,
    common_tls_context: {
      tls_certificates: [
        { certificate_chain: { filename: path('cert.pem') }, private_key: { filename: path('key.pem') } },
      ],
      validation_context: { trusted_ca: { filename: path('roots.pem') } },
    },
  }
  return {
    node: { id: 'envoy', cluster: 'test' },
    static_resources: {
      listeners: [
        {
          name: 'in',
          address: address(ports.listener),
          filter_chains: [
            {
              transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls },
              filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
            },
          ],
        },
      ],
      clusters: [
        cluster('app', appPort, 'http_protocol_options'),
        cluster('outrider', ports.authz, 'http2_protocol_options'),
      ],
    },
  }
}
