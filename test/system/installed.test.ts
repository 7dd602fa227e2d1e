// What is installed runs: control server and injector as processes with the arguments, settings and accounts of their Deployments,
// before a real API server. Only what belongs to a node is put in here: files, addresses and DNS.
import { mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Finding } from '../../src/installation/check/finding.ts'
import { readManifests } from '../../src/installation/manifests.ts'
import { fieldsOf, itemsOf, textOf } from '../../src/injector/pod.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { type Cluster, withApiServer } from '../fixtures/cluster.ts'
import { outrider } from '../fixtures/command-line.ts'
import { controllersOf } from '../fixtures/controllers.ts'
import { kubeconfigOf } from '../fixtures/kubeconfig.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { launcher, type Program, startProgram, temporaryFolder, until } from '../fixtures/process.ts'

checkLeaks(t)

const SYSTEM = 'outrider-system'

t.test('before a real API server', (t) => withApiServer(t, (cluster) => withCluster(t, cluster)))

async function withCluster(t: Test, cluster: Cluster): Promise<void> {
  const kubeconfig = kubeconfigOf(t, cluster)
  const controllers = controllersOf(cluster)
  const folder = temporaryFolder(t)
  const command = (...words: string[]) => outrider([...words, '--kubeconfig', kubeconfig], { clock: systemClock })
  const done = await command('install', '--timeout=0', '--trust-domain=prod.example')
  t.equal(done.code, 0, done.stderr)
  for (const namespace of ['default', SYSTEM]) await controllers.namespaceContents(namespace)
  for (const name of ['outrider-control', 'outrider-injector']) await controllers.available(SYSTEM, name)

  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const token = async (account: string, audience?: string): Promise<string> => {
    const { status, body } = await cluster.ask(
      'POST',
      `/api/v1/namespaces/${SYSTEM}/serviceaccounts/${account}/token`,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: 3600, ...(audience === undefined ? {} : { audiences: [audience] }) },
      },
    )
    t.equal(status, 201, `a token for ${account}`)
    return file(`${account}-${audience ?? 'api'}`, textOf(fieldsOf(body['status'])['token']) ?? '')
  }
  const api = { OUTRIDER_KUBERNETES_API: cluster.address, OUTRIDER_KUBERNETES_CA_FILE: cluster.caFile }
  const here = { OUTRIDER_LISTEN: '127.0.0.1:0', OUTRIDER_ADMIN: '127.0.0.1:0', OUTRIDER_HEALTH: '127.0.0.1:0' }
  const start = async (name: string, settings: Readonly<Record<string, string>>): Promise<Running> => {
    const { args, env } = await containerOf(cluster, name)
    return running(
      startProgram(t, process.execPath, [launcher, ...args], { env: { ...env, ...api, ...here, ...settings } }),
    )
  }

  mkdirSync(join(folder, 'ca'))
  const control = (name: string): Promise<Running> =>
    token('outrider-control').then((path) =>
      start('outrider-control', {
        OUTRIDER_DATA: join(folder, name),
        OUTRIDER_CA_SECRET_FOLDER: join(folder, 'ca'),
        OUTRIDER_KUBERNETES_SERVER_NAME: name,
        OUTRIDER_KUBERNETES_TOKEN_FILE: path,
      }),
    )
  const first = await control('control-1')
  const second = await control('control-2')
  await t.test('control servers start with the rights of their role, and share one CA', async (t) => {
    for (const { ready } of [first, second]) {
      await until('ready', async () => (await status(ready, '/ready')) === 200)
      t.equal(await status(ready, '/live'), 200)
    }
    for (const { program } of [first, second]) t.notMatch(program.stderr, /forbidden|lacks the verb/)
    const { status: found, body } = await cluster.ask('GET', `/api/v1/namespaces/${SYSTEM}/secrets/outrider-ca`)
    t.equal(found, 200)
    t.ok(Object.keys(fieldsOf(body['data'])).length > 0, 'the keys are in the Secret')
    const leases = await cluster.ask('GET', `/apis/coordination.k8s.io/v1/namespaces/${SYSTEM}/leases`)
    t.equal(itemsOf(leases.body['items']).length, 2)
  })

  const trustPath = `/api/v1/namespaces/${SYSTEM}/configmaps/outrider-trust`
  await until('the trust bundle', async () => (await cluster.ask('GET', trustPath)).status === 200)
  const { body: trust } = await cluster.ask('GET', trustPath)
  const injector = await start('outrider-injector', {
    OUTRIDER_CONTROL_ADDRESS: textOf(first.ready['grpc']) ?? '',
    OUTRIDER_KUBERNETES_API_TOKEN_FILE: await token('outrider-injector'),
    OUTRIDER_KUBERNETES_TOKEN_FILE: await token('outrider-injector', 'outrider'),
    OUTRIDER_TRUST_BUNDLE_FILE: file('bundle.pem', textOf(fieldsOf(trust['data'])['bundle.pem']) ?? ''),
  })
  await t.test(
    'the injector has its identity by its account, and writes the roots with the rights of its role',
    async (t) => {
      await until('ready', async () => (await status(injector.ready, '/ready')) === 200)
      t.notMatch(injector.program.stderr, /forbidden|lacks the verb/)
      const { code, stdout } = await command('check', '-o', 'json')
      t.equal(code, 1, 'the API server does not reach the injector here')
      const findings: Finding[] = JSON.parse(stdout)
      const failed = findings.filter(({ result }) => result === 'failed').map(({ check }) => check)
      t.same(failed, ['injection'])
      for (const check of ['webhook for pods', 'webhook for resources'])
        t.match(
          findings.find((finding) => finding.check === check),
          { result: 'ok' },
          check,
        )
    },
  )

  await t.test('what their accounts may not', async (t) => {
    const may = async (account: string, attributes: object): Promise<boolean> => {
      const { body } = await cluster.ask('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: { user: `system:serviceaccount:${SYSTEM}:${account}`, resourceAttributes: attributes },
      })
      return fieldsOf(body['status'])['allowed'] === true
    }
    const secret = { verb: 'get', resource: 'secrets', namespace: SYSTEM, name: 'outrider-ca' }
    t.equal(await may('outrider-control', secret), true)
    for (const account of ['outrider-control', 'outrider-injector']) {
      for (const attributes of [
        { ...secret, name: 'another' },
        { ...secret, namespace: 'default' },
        { verb: 'list', resource: 'secrets' },
        { verb: 'list', resource: 'secrets', namespace: SYSTEM },
        { verb: 'delete', resource: 'secrets', namespace: SYSTEM, name: 'outrider-ca' },
        { verb: 'create', resource: 'pods', namespace: 'default' },
        { verb: 'create', resource: 'pods', subresource: 'exec', namespace: 'default' },
        { verb: 'create', resource: 'serviceaccounts', subresource: 'token', namespace: SYSTEM },
        { verb: 'patch', resource: 'configmaps', namespace: 'default', name: 'another' },
        { verb: 'get', resource: 'configmaps', namespace: 'default', name: 'another' },
        { verb: 'create', resource: 'leases', group: 'coordination.k8s.io', namespace: 'kube-system' },
        { verb: 'patch', resource: 'clusterroles', group: 'rbac.authorization.k8s.io', name: 'outrider-control' },
        { verb: 'create', resource: 'workloads', group: 'outrider.mesh', namespace: 'default' },
        {
          verb: 'patch',
          resource: 'mutatingwebhookconfigurations',
          group: 'admissionregistration.k8s.io',
          name: 'another',
        },
      ])
        t.equal(await may(account, attributes), false, `${account}: ${Object.values(attributes).join(' ')}`)
    }
    t.equal(await may('outrider-injector', secret), false)
  })

  await t.test('to install again takes nothing away from the mesh', async (t) => {
    const again = await command('install', '--timeout=0', '--trust-domain=prod.example')
    t.equal(again.code, 0, again.stderr)
    t.equal(again.stdout.match(/ unchanged$/gm)?.length, readManifests().length)
  })

  await t.test('they stop when they are told', async (t) => {
    for (const { program } of [injector, second, first]) t.match(await program.stop('SIGTERM'), { code: 0 })
    const leases = await cluster.ask('GET', `/apis/coordination.k8s.io/v1/namespaces/${SYSTEM}/leases`)
    t.same(itemsOf(leases.body['items']), [], 'their Leases are given back')
  })
}

interface Running {
  readonly program: Program
  readonly ready: Readonly<Record<string, unknown>>
}

async function running(program: Program): Promise<Running> {
  const line = await program.line(/^\{"ready":/)
  return { program, ready: fieldsOf(JSON.parse(line)) }
}

/** As a kubelet asks. */
async function status({ health }: Running['ready'], path: string): Promise<number> {
  const sent = request(`http://${textOf(health)}${path}`, { agent: false }).end()
  const [response] = await once(sent, 'response')
  response.resume()
  return response.statusCode
}

/** Arguments and settings of the only container of a Deployment, as the kubelet expands them. */
async function containerOf(
  cluster: Cluster,
  name: string,
): Promise<{ readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> }> {
  const { body } = await cluster.ask('GET', `/apis/apps/v1/namespaces/${SYSTEM}/deployments/${name}`)
  const [container] = itemsOf(fieldsOf(fieldsOf(fieldsOf(body['spec'])['template'])['spec'])['containers'])
  const env: Record<string, string> = {}
  for (const variable of itemsOf(fieldsOf(container)['env']).map(fieldsOf)) {
    const value = textOf(variable['value']) ?? ''
    env[textOf(variable['name']) ?? ''] = value.replaceAll(
      /\$\((\w+)\)/g,
      (whole, other: string) => env[other] ?? whole,
    )
  }
  return { args: itemsOf(fieldsOf(container)['args']).map((word) => textOf(word) ?? ''), env }
}
