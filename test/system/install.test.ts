// The installation before a real API server, which has no kubelet and no controllers: the test is those.
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readManifests } from '../../src/installation/manifests.ts'
import { nameOf, typeOf } from '../../src/installation/object-types.ts'
import { type ClusterObject, isRecord, objectOf, pathOfType } from '../../src/kubernetes/objects.ts'
import { packageRoot } from '../../src/lib/package-root.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { type Cluster, type ClusterAnswer, withApiServer } from '../fixtures/cluster.ts'
import { outrider, type Ran } from '../fixtures/command-line.ts'
import { controllersOf } from '../fixtures/controllers.ts'
import { kubeconfigOf } from '../fixtures/kubeconfig.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { findProgram, runProgram, temporaryFolder, until } from '../fixtures/process.ts'

checkLeaks(t)

const SYSTEM = 'outrider-system'
const DEPLOYMENTS = ['outrider-control', 'outrider-injector']

t.test('before a real API server', (t) => withApiServer(t, (cluster) => withCluster(t, cluster)))

async function withCluster(t: Test, cluster: Cluster): Promise<void> {
  const kubeconfig = kubeconfigOf(t, cluster)
  const controllers = controllersOf(cluster)
  const command = (...words: string[]): Promise<Ran> =>
    outrider([...words, '--kubeconfig', kubeconfig], { clock: systemClock })
  const objects = readManifests()
  const versions = async (): Promise<Map<string, string | undefined>> => {
    const found = new Map<string, string | undefined>()
    for (const object of objects) found.set(nameOf(object), (await present(cluster, object))?.metadata.resourceVersion)
    return found
  }

  await t.test('a dry run changes nothing', async (t) => {
    const { code, stdout, stderr } = await command('install', '--dry-run')
    t.equal(code, 0, stderr)
    t.match(stdout, /^OBJECT +WOULD BE$/m)
    t.match(stdout, /^Namespace outrider-system +created$/m)
    t.match(stdout, /^Deployment outrider-system\/outrider-control +unchecked$/m, 'its namespace is not there')
    t.same(
      [...(await versions()).values()].filter((version) => version !== undefined),
      [],
    )
  })

  await t.test('install makes everything, and waits until it runs', async (t) => {
    const installing = command('install')
    for (const name of DEPLOYMENTS) {
      await whileRunning(
        installing,
        async () => (await get(cluster, `/apis/apps/v1/namespaces/${SYSTEM}/deployments/${name}`)) !== undefined,
      )
      await controllers.available(SYSTEM, name)
    }
    const { code, stdout, stderr } = await installing
    t.equal(code, 0, stderr)
    t.equal(stdout.match(/ created$/gm)?.length, objects.length)
    for (const object of objects) t.ok(await present(cluster, object), nameOf(object))
  })

  await t.test('the second time nothing is changed', async (t) => {
    const before = await versions()
    const { code, stdout, stderr } = await command('install')
    t.equal(code, 0, stderr)
    t.equal(stdout.match(/ unchanged$/gm)?.length, objects.length)
    t.same(await versions(), before)
  })

  await t.test('what others wrote stays', async (t) => {
    const secret = `/api/v1/namespaces/${SYSTEM}/secrets/outrider-ca`
    const empty = await cluster.ask('GET', secret)
    await cluster.ask('PUT', secret, { ...empty.body, data: { root: 'AAAA' } })
    const webhooks = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/outrider-injector'
    const { body } = await cluster.ask('GET', webhooks)
    const hooks = Array.isArray(body['webhooks']) ? body['webhooks'].filter(isRecord) : []
    t.equal(hooks.length, 2)
    const withBundle = hooks.map((hook) => ({
      ...hook,
      failurePolicy: 'Ignore',
      clientConfig: { ...(isRecord(hook['clientConfig']) ? hook['clientConfig'] : {}), caBundle: bundle },
    }))
    t.equal((await cluster.ask('PUT', webhooks, { ...body, webhooks: withBundle })).status, 200)
    const before = await versions()
    const { code, stdout, stderr } = await command('install')
    t.equal(code, 0, stderr)
    t.equal(stdout.match(/ unchanged$/gm)?.length, objects.length)
    t.same(await versions(), before)
  })

  await t.test('a setting is changed, and nothing else', async (t) => {
    const { code, stdout, stderr } = await command('install', '--replicas=3', '--timeout=0')
    t.equal(code, 0, stderr)
    t.match(stdout, /^Deployment outrider-system\/outrider-control +changed$/m)
    t.equal(stdout.match(/ changed$/gm)?.length, 2)
    const waiting = await command('install', '--replicas=3', '--timeout=1ms')
    t.equal(waiting.code, 1)
    t.match(waiting.stderr, /outrider-control was not looked at by its controller yet.*\(install-timeout\)/)
  })

  await t.test('a field that somebody else has set is a conflict', async (t) => {
    const path = `/apis/apps/v1/namespaces/${SYSTEM}/deployments/outrider-control`
    const { body } = await cluster.ask('GET', path)
    const spec = isRecord(body['spec']) ? body['spec'] : {}
    await cluster.ask('PUT', `${path}?fieldManager=somebody`, { ...body, spec: { ...spec, replicas: 7 } })
    const before = await versions()
    const refused = await command('install', '--timeout=0')
    t.equal(refused.code, 6)
    t.match(refused.stderr, /Deployment outrider-system\/outrider-control: \.spec\.replicas: conflict with "somebody"/)
    t.match(refused.stderr, /--force-conflicts.*\(install-conflict\)/)
    t.same(await versions(), before, 'nothing was changed')
    const forced = await command('install', '--timeout=0', '--force-conflicts')
    t.equal(forced.code, 0, forced.stderr)
    const after = await get(cluster, path)
    t.equal(isRecord(after?.['spec']) && after['spec']['replicas'], 2)
  })

  await t.test('the pods of the mesh itself fit Pod Security restricted', async (t) => {
    await controllers.namespaceContents(SYSTEM)
    const pods = `/api/v1/namespaces/${SYSTEM}/pods`
    for (const name of DEPLOYMENTS) {
      const deployment = await get(cluster, `/apis/apps/v1/namespaces/${SYSTEM}/deployments/${name}`)
      const { template } = isRecord(deployment?.['spec']) ? deployment['spec'] : {}
      const { metadata, spec } = isRecord(template) ? template : {}
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...(isRecord(metadata) ? metadata : {}), name }, spec }
      const { status, body } = await cluster.ask('POST', `${pods}?fieldValidation=Strict`, pod)
      t.equal(status, 201, status === 201 ? name : JSON.stringify(body))
      const root = { ...(isRecord(spec) ? spec : {}), securityContext: { runAsUser: 0 } }
      const worse = await cluster.ask('POST', pods, { ...pod, metadata: { name: `${name}-root` }, spec: root })
      t.equal(worse.status, 403, 'the namespace refuses what does not')
      t.match(worse.body['message'], /violates PodSecurity "restricted:latest"/)
      await cluster.ask('DELETE', `${pods}/${name}`, { gracePeriodSeconds: 0 })
    }
  })

  await t.test('check says what is wrong, and what to do', async (t) => {
    await controllers.namespaceContents('default')
    for (const name of DEPLOYMENTS) await controllers.available(SYSTEM, name)
    const { code, stdout, stderr } = await command('check', '-o', 'json')
    t.equal(code, 1, stderr)
    const findings = new Map<string, { result: string; detail: string }>()
    for (const { check, ...finding } of JSON.parse(stdout)) findings.set(check, finding)
    const is = (check: string, result: string, detail: RegExp): void => {
      const finding = findings.get(check)
      t.match(finding, { result, detail }, `${check}: ${result}`)
    }
    is('API server', 'ok', /^is v/)
    is('clock', 'ok', /within 5 s/)
    is('definitions', 'ok', /^all 10 are those of this version$/)
    is('installation', 'ok', /objects are there/)
    is('deployment outrider-control', 'ok', /^runs \d/)
    is('webhook for pods', 'warning', /outrider-trust is missing/)
    is('webhook for resources', 'failed', /has no caBundle, which the injector writes; kubectl logs/)
    is('namespaces', 'warning', /kubectl label namespace NAME outrider\.mesh\/inject=enabled/)
    is('resources', 'ok', /^none of 1 is refused$/)
    t.comment(stdout)

    await cluster.ask('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/revocations.outrider.mesh')
    await cluster.ask('DELETE', `/api/v1/namespaces/${SYSTEM}/services/outrider-control`)
    const again = await command('check', '--cluster')
    t.equal(again.code, 1)
    t.match(again.stdout, /^definitions +failed +revocations\.outrider\.mesh are missing; outrider install$/m)
    t.match(again.stdout, /^installation +failed +Service outrider-system\/outrider-control are missing/m)
    t.equal((await command('install', '--timeout=0')).code, 0)
    t.match((await command('check', '--cluster')).stdout, /^definitions +ok/m, 'installing again mends it')
  })

  await t.test('uninstall', async (t) => {
    await controllers.namespaceContents('default')
    const pods = '/api/v1/namespaces/default/pods'
    const made = await cluster.ask('POST', pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'cart', annotations: { 'outrider.mesh/injected': '{"version":1}' } },
      spec: { containers: [{ name: 'app', image: 'app:1' }] },
    })
    t.equal(made.status, 201, JSON.stringify(made.body['message']))
    const used = await command('uninstall')
    t.equal(used.code, 6)
    t.match(used.stderr, /1 pods run with a sidecar.*default\/cart;.*\(uninstall-in-use\)/)
    const dry = await command('uninstall', '--dry-run', '--force')
    t.equal(dry.code, 0, dry.stderr)
    t.match(dry.stdout, /^Deployment outrider-system\/outrider-control +removed$/m)
    t.match(dry.stdout, /^Secret outrider-system\/outrider-ca +kept: /m)
    t.ok(
      [...(await versions()).values()].every((version) => version !== undefined),
      'all is there',
    )
    await cluster.ask('DELETE', `${pods}/cart`, { gracePeriodSeconds: 0 })

    const trust = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'outrider-trust' } }
    await cluster.ask('POST', '/api/v1/namespaces/default/configmaps', trust)
    const { code, stderr } = await command('uninstall')
    t.equal(code, 0, stderr)
    const left = await versions()
    const kept = [...left].filter(([, version]) => version !== undefined).map(([name]) => name)
    t.same(
      new Set(kept.map((name) => name.split(' ')[0])),
      new Set(['Namespace', 'CustomResourceDefinition', 'Secret']),
    )

    const purging = command('uninstall', '--purge')
    await whileRunning(purging, async () => {
      const namespace = await get(cluster, `/api/v1/namespaces/${SYSTEM}`)
      return namespace === undefined || namespace.metadata.deletionTimestamp !== undefined
    })
    await controllers.finalise(SYSTEM)
    const purged = await purging
    t.equal(purged.code, 0, purged.stderr)
    t.same(
      [...(await versions()).values()].filter((version) => version !== undefined),
      [],
      'nothing is left',
    )
    t.equal(await get(cluster, '/api/v1/namespaces/default/configmaps/outrider-trust'), undefined)
    t.match((await command('uninstall')).stdout, /nothing of the mesh is there/)
  })

  await t.test('what kustomize makes of the same manifests', async (t) => {
    const kubectl = findProgram('kubectl')
    if (kubectl === undefined) {
      console.log('note: left out: kubectl is not installed')
      t.pass('there is no kubectl')
      return
    }
    const env = { KUBECONFIG: kubeconfig, HOME: temporaryFolder(t) }
    const run = (...words: string[]) => runProgram(t, kubectl, words, { env })
    const base = join(packageRoot, 'deploy', 'base')
    const apply = () => run('apply', '--server-side', '-k', base)
    const first = await apply()
    // The definitions are new: what is of them is for the second time.
    if (first.code !== 0) t.match(first.stderr, /no matches for kind "Workload"/)
    await until('kubectl apply', async () => (await apply()).code === 0)
    for (const object of objects) t.ok(await present(cluster, object), nameOf(object))
    const before = await versions()
    const foreign = await command('uninstall', '--purge')
    t.equal(foreign.code, 0, foreign.stderr)
    t.equal(foreign.stdout.match(/ kept: outrider install did not make it$/gm)?.length, objects.length)
    t.same(await versions(), before, 'it is not ours')
    const diff = runProgram(t, kubectl, ['diff', '--server-side', '-f', '-'], {
      env,
      input: (await outrider(['install', '-o', 'yaml'])).stdout,
    })
    t.match(await diff, { code: 0, stdout: '' }, 'outrider install -o yaml is the same')
    const adopted = await command('install', '--timeout=0')
    t.equal(adopted.code, 0, adopted.stderr)
  })
}

/** What looks like roots is enough here. */
const bundle = Buffer.from('-----BEGIN CERTIFICATE-----\nMIIBAA==\n-----END CERTIFICATE-----\n').toString('base64')

async function present(cluster: Cluster, object: ClusterObject): Promise<ClusterObject | undefined> {
  const { name, namespace } = object.metadata
  return get(cluster, pathOfType(typeOf(object), namespace, name))
}

async function get(cluster: Cluster, path: string): Promise<ClusterObject | undefined> {
  let answer: ClusterAnswer
  try {
    answer = await cluster.ask('GET', path)
  } catch (error) {
    // Of a type that it does not know the API server says "404 page not found", which is no JSON.
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  return answer.status === 200 ? objectOf(answer.body, path) : undefined
}

/** Until it holds, or the command is over, which then failed. */
async function whileRunning(running: Promise<Ran>, holds: () => Promise<boolean>): Promise<void> {
  let over = false
  void running.then(() => (over = true))
  while (!over && !(await holds())) {
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
}
