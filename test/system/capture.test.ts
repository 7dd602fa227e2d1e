// Two pods with unmodified programs, captured by real rules in real network namespaces; every way of making the rules, both modes.
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { checkLeaks } from '../fixtures/leaks.ts'
import { idOf, resource, TRUST_DOMAIN } from '../fixtures/mesh.ts'
import { APP_UID, makeNetwork, missingForNamespaces, type Pod, rulesOf, SIDECAR_UID } from '../fixtures/namespaces.ts'
import { type Ended, launcher, outrider, type Program, temporaryFolder, until } from '../fixtures/process.ts'

const needed = [
  'iptables-save',
  'ip6tables-save',
  'nft',
  'tcpdump',
  'curl',
  'redis-server',
  'redis-cli',
  'redis-benchmark',
  'sysctl',
  'openssl',
  'bash',
]
const missing = missingForNamespaces(needed)
if (missing === undefined) await proveCapture()
else {
  console.log(`note: the tests of capture are left out: they need ${missing}`)
  t.pass(`left out: needs ${missing}`)
}

async function proveCapture(): Promise<void> {
  checkLeaks(t)
  const { router, pods } = await makeNetwork(t, 2)
  const [web, orders] = pods
  if (web === undefined || orders === undefined) throw new TypeError('two pods were asked for')

  // In the words of whoever looks for plaintext on the wire.
  const MARKER = 'plaintext-marker-4711'
  const service = {
    orders: ['10.96.0.10', 'fd96::10'],
    redis: ['10.96.0.11', 'fd96::11'],
    echo: ['10.96.0.12', 'fd96::12'],
    // Found by the name in TLS alone.
    secure: [],
  }
  /** In no service, in no pod. */
  const OUTSIDE = '10.77.9.9'
  const EXCLUDED = '10.77.8.8'
  for (const address of [OUTSIDE, EXCLUDED])
    await wanted(router.run('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']))

  const data = join(temporaryFolder(t), 'data')
  const control = router.start(process.execPath, [
    launcher,
    'control',
    '--data',
    data,
    '--listen',
    '0.0.0.0:15412',
    '--admin',
    '127.0.0.1:0',
    '--trust-domain',
    TRUST_DOMAIN,
  ])
  const socket = String(JSON.parse(await control.line(/"ready":"control"/)).adminSocket)
  const apply = async (...documents: readonly string[]): Promise<void> => {
    const ended = await outrider(t, ['apply', '-f', '-', '--socket', socket], { input: documents.join('\n---\n') })
    if (ended.code !== 0) throw new Error(ended.stderr)
  }
  const serviceOf = (name: keyof typeof service, ports: readonly object[]): string =>
    resource('Service', name, { addresses: service[name], ports, workloads: ['orders'] })
  await apply(
    resource('Workload', 'web', { spiffeId: idOf('web') }),
    resource('Workload', 'orders', { spiffeId: idOf('orders') }),
    serviceOf('orders', [{ port: 80, targetPort: 8080 }]),
    serviceOf('redis', [{ port: 6379, protocol: 'tcp' }]),
    serviceOf('secure', [{ port: 443, targetPort: 8443, protocol: 'tcp' }]),
    serviceOf('echo', [{ port: 9000, targetPort: 9090, protocol: 'grpc' }]),
    resource('AuthorizationPolicy', 'all', {
      workloads: ['orders'],
      action: 'ALLOW',
      rules: [{ name: 'mesh', from: [{ spiffeIds: [idOf('web'), idOf('orders')] }] }],
    }),
  )

  const app = fileURLToPath(new URL('../fixtures/pod-app.ts', import.meta.url))
  const grpcClient = fileURLToPath(new URL('../fixtures/pod-grpc-client.ts', import.meta.url))
  // 7070 is excluded from capture, 6060 is captured and not declared.
  const application = orders.start(process.execPath, [app, '8080', '9090', '7070', '6060'], { uid: APP_UID })
  await application.line(/app ready/)
  const elsewhere = router.start(process.execPath, [app, '8099', '9099', '80'])
  await elsewhere.line(/app ready/)
  const redis = orders.start('redis-server', ['--bind', '127.0.0.1', '::1', '--save', '', '--dir', '/tmp'], {
    uid: APP_UID,
  })
  await redis.line(/Ready to accept connections/)

  const files = temporaryFolder(t)
  chmodSync(files, 0o755)
  const names = ['-subj', '/CN=secure', '-keyout', join(files, 'key.pem'), '-out', join(files, 'cert.pem')]
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
  await wanted(router.run('openssl', ['req', '-x509', ...ec, ...names]))
  chmodSync(join(files, 'key.pem'), 0o644)
  const ownTls = ['-accept', '8443', '-www', '-key', join(files, 'key.pem'), '-cert', join(files, 'cert.pem')]
  const secure = orders.start('openssl', ['s_server', ...ownTls], { uid: APP_UID })
  await secure.line(/ACCEPT/)

  const curl = (from: Pod, url: string, ...more: readonly string[]): Promise<Ended> =>
    from.run('curl', ['-sS', '-g', '-m', '5', ...more, url], { uid: APP_UID })
  const answered = async (
    t: Test,
    from: Pod,
    url: string,
    ...more: readonly string[]
  ): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await curl(from, url, ...more)
    t.equal(code, 0, `${url}: ${stderr}`)
    return code === 0 ? JSON.parse(stdout) : {}
  }
  const metric = async (pod: Pod, name: string, labels: string): Promise<number> => {
    const { stdout } = await pod.run('curl', ['-sS', 'http://127.0.0.1:15020/metrics'], { uid: SIDECAR_UID })
    const line = stdout.split('\n').find((text) => text.startsWith(`${name}{`) && text.includes(labels))
    return Number(line?.split(' ').at(-1) ?? 0)
  }

  const sidecar = async (pod: Pod, workload: string, mode: string, flags: readonly string[]): Promise<Program> => {
    const token = await outrider(t, ['token', 'create', '--workload', `default/${workload}`, '--socket', socket])
    const args = [
      '--control-address',
      `${pod === web ? '10.77.1.1' : '10.77.2.1'}:15412`,
      '--admin',
      '127.0.0.1:15020',
      '--sidecar-id',
      workload,
      '--capture-mode',
      mode,
      '--outbound',
      '',
      '--access-log',
      'all',
      ...flags,
    ]
    const env = { OUTRIDER_JOIN_TOKEN: token.stdout.trim() }
    const program =
      mode === 'tproxy'
        ? pod.start(process.execPath, [launcher, 'launch', '--', ...args], { env })
        : pod.start(
            process.execPath,
            [launcher, 'sidecar', '--capture-inbound', '[::]:15006', '--capture-outbound', '[::]:15001', ...args],
            { env, uid: SIDECAR_UID },
          )
    await program.line(/"ready":"sidecar"/)
    return program
  }

  for (const backend of ['iptables', 'nft']) {
    for (const mode of ['redirect', 'tproxy']) {
      await t.test(`${mode} by ${backend}`, async (t) => {
        const before = await Promise.all(pods.map(rulesOf))
        const redirect = async (pod: Pod, verb: string, ...args: readonly string[]): Promise<string> =>
          (await wanted(pod.run(process.execPath, [launcher, 'redirect', verb, ...args]))).stdout
        const rules = [
          '--backend',
          backend,
          '--mode',
          mode,
          '--exclude-inbound-ports',
          '15020,7070',
          '--exclude-outbound-ports',
          '53,7070',
          '--exclude-outbound-ranges',
          '10.77.8.0/24',
        ]
        for (const pod of pods) {
          t.equal(await redirect(pod, 'apply', ...rules), `capture applied: ${mode} by ${backend}, ipv4 and ipv6\n`)
          t.match(await redirect(pod, 'apply', ...rules), /^capture unchanged/, 'twice is once')
        }
        const workers = ['--workers', backend === 'nft' ? '2' : '1']
        const sidecars = [
          await sidecar(web, 'web', mode, workers),
          await sidecar(orders, 'orders', mode, [
            '--capture-inbound-ports',
            '8080,tcp://6379,grpc://9090,tcp://8443',
            ...workers,
          ]),
        ]
        await until('orders is reached', async () => (await curl(web, `http://${service.orders[0]}/`, '-f')).code === 0)
        const pcap = join(temporaryFolder(t), 'wire.pcap')
        const capture = router.start('tcpdump', ['-i', web.wire, '-U', '-w', pcap, '-s', '0', 'tcp'])
        await capture.line(/listening on/)

        await t.test('plain addresses of services lead there over mutual TLS', async (t) => {
          const own = /URI=spiffe:\/\/system\.test\/ns\/default\/sa\/web$/
          for (const host of [service.orders[0], `[${service.orders[1]}]`]) {
            const { url, client, localPort } = await answered(t, web, `http://${host}/${MARKER}?x=1`)
            t.same([url, localPort], [`/${MARKER}?x=1`, 8080])
            t.match(client, own)
          }
          t.match(
            (await answered(t, web, `http://${orders.ipv4}:8080/${MARKER}`))['client'],
            own,
            'the address of the pod',
          )
          const call = await web.run(process.execPath, [grpcClient, `${service.echo[0]}:9000`, MARKER], {
            uid: APP_UID,
          })
          t.equal(call.stdout, `${MARKER}\n`, call.stderr)
          for (const host of service.redis) {
            const said = await web.run('redis-cli', ['-h', host, 'SET', 'key', MARKER], { uid: APP_UID })
            t.equal(said.stdout, 'OK\n', said.stderr)
            t.equal((await web.run('redis-cli', ['-h', host, 'GET', 'key'], { uid: APP_UID })).stdout, `${MARKER}\n`)
          }
          const named = ['--resolve', `orders.default:80:${OUTSIDE}`] as const
          t.match(
            (await answered(t, web, 'http://orders.default/name', ...named))['client'],
            own,
            'by its name at another address',
          )
        })

        await t.test('many connections, each of them captured', async (t) => {
          const [host] = service.redis
          const load = ['-h', String(host), '-n', '2000', '-c', '20', '-t', 'get', '--csv']
          for (const [what, keep] of [
            ['on connections that stay', '1'],
            ['on a new connection each', '0'],
          ] as const) {
            const ended = await web.run('redis-benchmark', [...load, '-k', keep], { uid: APP_UID })
            const rate = Number(/^"GET","([\d.]+)"/m.exec(ended.stdout)?.[1])
            t.ok(rate > 50, `${ended.stdout}${ended.stderr}`)
            t.comment(`GET by redis-benchmark, ${what}: ${Math.round(rate)} a second`)
          }
        })

        await t.test('TLS of the application goes by its server name', async (t) => {
          const named = [
            '-k',
            '--resolve',
            `secure.default:443:${OUTSIDE}`,
            '--resolve',
            `other.example:443:${OUTSIDE}`,
          ]
          const { code, stdout, stderr } = await curl(web, 'https://secure.default/', ...named)
          t.same([code, /Cipher/.test(stdout)], [0, true], stderr)
          t.not((await curl(web, 'https://other.example/', ...named)).code, 0, 'a name of no service')
        })

        await t.test('the sidecar has no privilege', async (t) => {
          for (const { pid } of sidecars) {
            const status = readFileSync(`/proc/${pid}/status`, 'utf8')
            t.match(status, /^Uid:\t15400\t15400\t15400\t15400\nGid:\t15400\t15400\t15400\t15400$/m)
            t.match(status, /^CapPrm:\t0+\nCapEff:\t0+$/m)
            t.match(status, /^NoNewPrivs:\t1$/m)
          }
        })

        await t.test('the source is the pod', async (t) => {
          const { stdout } = await orders.run('curl', ['-sS', 'http://127.0.0.1:15020/connections'], {
            uid: SIDECAR_UID,
          })
          const open: readonly { listener: string; remote: string; peer: string }[] = JSON.parse(stdout)
          const from = open.filter(({ listener, peer }) => listener === 'inbound' && peer === idOf('web'))
          t.ok(from.length > 0, `${open.length} connections`)
          t.ok(
            from.every(({ remote }) => remote.includes(web.ipv4)),
            JSON.stringify(from),
          )
        })

        await t.test('a pod that calls itself comes to itself, once', async (t) => {
          t.match((await answered(t, orders, `http://${service.orders[0]}/self`))['client'], /sa\/orders$/)
        })

        await t.test('whoever goes around the rules gets nothing', async (t) => {
          for (const [from, url] of [
            [router, `http://${orders.ipv4}:8080/`],
            [router, `http://[${orders.ipv6}]:8080/`],
            [router, `http://${orders.ipv4}:15006/`],
            [router, `http://${orders.ipv4}:15001/`],
            [router, `http://${orders.ipv4}:6060/`],
            [web, 'http://127.0.0.1:15001/'],
            [web, 'http://127.0.0.1:15006/'],
          ] as const) {
            const { code, stdout } = await curl(from, url, '-m', '2')
            t.not(code, 0, url)
            t.equal(stdout, '')
          }
          const refused = 'outrider_connections_refused_total'
          t.ok((await metric(web, refused, 'reason="not-captured"')) >= 1, 'counted')
          t.ok((await metric(orders, refused, 'reason="port-not-declared"')) >= 1, 'counted')
        })

        await t.test('exclusions are reached as they are', async (t) => {
          t.equal((await answered(t, router, `http://${orders.ipv4}:7070/`))['client'], null)
          t.equal((await answered(t, web, `http://${orders.ipv4}:7070/`))['client'], null)
          t.equal((await answered(t, web, `http://${EXCLUDED}:8099/`))['remoteAddress'], `::ffff:${web.ipv4}`)
        })

        await t.test('what is in no service follows MeshConfig', async (t) => {
          const to = `http://${OUTSIDE}:8099/`
          const unknown = 'outrider_unknown_destinations_total'
          t.not((await curl(web, to)).code, 0, 'denied by default')
          t.match(await curl(web, `http://${OUTSIDE}/`), { code: 0, stdout: /service-unknown/ }, 'HTTP says why')
          t.ok((await metric(web, unknown, 'decision="deny"')) >= 2)
          await apply(resource('MeshConfig', 'mesh', { outbound: 'allow' }))
          await until('allowed', async () => (await curl(web, to)).code === 0)
          t.equal((await answered(t, web, to))['remoteAddress'], `::ffff:${web.ipv4}`)
          t.not((await curl(web, `http://${service.orders[0]}:8099/`)).code, 0, 'a service has no other ports')
          t.ok((await metric(web, unknown, 'decision="allow"')) >= 1)
          const open = web.start(
            'bash',
            ['-c', `exec 3<>/dev/tcp/${OUTSIDE}/8099 && echo open && read -u 3; echo over`],
            {
              uid: APP_UID,
            },
          )
          await open.line(/^open$/)
          await apply(resource('MeshConfig', 'mesh', { outbound: 'deny' }))
          await open.line(/^over$/)
          await until('denied', async () => (await curl(web, to)).code !== 0)
        })

        await capture.stop('SIGINT')
        const bytes = readFileSync(pcap)
        t.ok(bytes.length > 5000, `${bytes.length} bytes captured`)
        // A few connections are plain by the choice of the test: none of them says the marker.
        t.equal(bytes.indexOf(MARKER), -1, 'no plaintext on the wire')
        t.ok(bytes.includes(Buffer.from([0x17, 0x03, 0x03])), 'records of TLS are')
        for (const program of sidecars) {
          const ended = await program.stop()
          t.equal(ended.code, 0, ended.stderr)
        }
        t.not(
          (await curl(web, `http://${service.orders[0]}/`, '-m', '2')).code,
          0,
          'without a sidecar nothing gets out',
        )
        t.not((await curl(router, `http://${orders.ipv4}:8080/`, '-m', '2')).code, 0, 'nor in')
        for (const [index, pod] of pods.entries()) {
          t.equal(await redirect(pod, 'remove'), 'capture removed\n')
          t.equal(await redirect(pod, 'remove'), 'there was no capture\n')
          t.equal(await rulesOf(pod), before[index], 'all rules and routes are as before')
        }
      })
    }
  }
}

async function wanted(run: Promise<Ended>): Promise<Ended> {
  const ended = await run
  if (ended.code !== 0) throw new Error(ended.stderr)
  return ended
}
