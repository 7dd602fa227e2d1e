import t, { type Test } from 'tap'
import { ApiClient } from '../../../src/kubernetes/client.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import {
  configMapType,
  readTrustConfigMap,
  SEQUENCE_ANNOTATION,
  trustConfigMap,
  type TrustContent,
} from '../../../src/control/kubernetes/trust-config-map.ts'
import { TrustConfigMaps, type TrustConfigMapsOptions } from '../../../src/control/kubernetes/trust-config-maps.ts'
import { CertificateAuthority } from '../../../src/control/ca/certificate-authority.ts'
import { TextStorage } from '../../../src/control/ca/text-storage.ts'
import { textsOfSecret } from '../../../src/control/kubernetes/secret-texts.ts'
import { fromPem } from '../../../src/identity/x509.ts'
import { controlMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics, type MetricRegistry } from '../../../src/telemetry/registry.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import type { LogLine } from '../../fixtures/control.ts'
import { startKubernetes, type TestKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { until } from '../../fixtures/process.ts'
import {
  CONTROL_NAMESPACE,
  installSecret,
  joinCa,
  type Member,
  namespaceType,
  secretData,
  sequenceComes,
  sharedDomain,
  testLog,
} from '../../fixtures/shared-ca.ts'

checkLeaks(t)

interface Publisher extends Member {
  readonly registry: MetricRegistry<typeof controlMetrics>
  readonly trustLines: readonly LogLine[]
  close(): void
}

/** A control server, as far as its CA and the roots in the cluster go. */
async function publisher(
  t: Test,
  api: TestKubernetes,
  parts: Partial<Pick<TrustConfigMapsOptions, 'authority' | 'catchUp' | 'namespaces'>> = {},
): Promise<Publisher> {
  const member = await joinCa(t, api.connection)
  const { log, lines: trustLines } = testLog(systemClock)
  const registry = createMetrics(controlMetrics, systemClock)
  t.teardown(() => registry.destroy())
  const client = new ApiClient(api.connection, systemClock)
  const maps = new TrustConfigMaps({
    client,
    namespace: CONTROL_NAMESPACE,
    namespaces: [],
    authority: member.ca.authority,
    catchUp: () => member.ca.catchUp(),
    clock: systemClock,
    random: Math.random,
    log,
    metrics: registry.metrics,
    ...parts,
  })
  const close = (): void => {
    maps.close()
    client.close()
  }
  t.teardown(close)
  return { ...member, registry, trustLines, close }
}

function label(api: TestKubernetes, name: string, inject: string | undefined): void {
  const labels = inject === undefined ? {} : { 'outrider.mesh/inject': inject }
  api.put(namespaceType, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
}

/** What sidecars of these namespaces find. */
function published(api: TestKubernetes): Readonly<Record<string, TrustContent>> {
  return Object.fromEntries(
    api
      .all(configMapType)
      .filter(({ metadata }) => metadata.name === 'outrider-trust')
      .map((object) => [object.metadata.namespace ?? '', readTrustConfigMap(object)]),
  )
}

const rootsOf = ({ roots }: TrustContent): readonly string[] =>
  roots === '' ? [] : fromPem(roots).map((der) => der.toString('base64'))
const keptRoots = ({ ca }: Member): readonly string[] =>
  ca.authority.standings
    .filter(({ state }) => state !== 'tainted')
    .map(({ authority }) => authority.root.der.toString('base64'))
const allAt = (api: TestKubernetes, sequence: number): boolean =>
  Object.values(published(api)).every((content) => content.sequence === sequence)
const isTrust = ({ method, path }: { method: string; path: string }): boolean =>
  method === 'PATCH' && path.includes('/configmaps/outrider-trust')
const writes = (api: TestKubernetes): number => api.asked.filter(isTrust).length
const count = async ({ registry }: Publisher, name: string): Promise<number> => {
  const line = (await registry.expose()).split('\n').find((text) => text.startsWith(`${name} `))
  return Number(line?.split(' ').at(-1))
}

t.test('the roots are in each namespace that has sidecars, through a change of the root', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  label(api, 'shop', 'enabled')
  label(api, 'plain', undefined)
  label(api, 'off', 'disabled')
  const [one, two] = [await publisher(t, api), await publisher(t, api)]
  await until('published', () => Object.keys(published(api)).length === 2)
  t.same(Object.keys(published(api)).toSorted(), [CONTROL_NAMESPACE, 'shop'])
  t.same(rootsOf(published(api)['shop']!), keptRoots(one))

  label(api, 'new', 'enabled')
  await until('in a new namespace', () => 'new' in published(api))
  label(api, 'plain', 'enabled')
  await until('in a namespace with a new label', () => 'plain' in published(api))

  let sequence = 1
  for (const step of ['prepare', 'activate', 'taint', 'revoke'] as const) {
    sequence += 1
    await one.ca.change((authority) => authority[step]())
    await sequenceComes(two, sequence)
    await until(step, () => allAt(api, sequence))
    for (const content of Object.values(published(api))) t.same(rootsOf(content), keptRoots(two), step)
  }
  label(api, 'new', 'disabled')
  await one.ca.change((authority) => authority.prepare())
  await until('no more', () => published(api)['shop']?.sequence === 6)
  t.equal(published(api)['new']?.sequence, 5, 'it stays as it was where pods get no sidecar any more')
  await until('settled', async () => (await count(one, 'outrider_trust_config_maps_behind')) === 0)
})

t.test('what others do to it is repaired', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const foreign = makeTestCa('foreign.example').pem
  const put = (object: object): void => {
    api.put(configMapType, { apiVersion: 'v1', metadata: { name: 'outrider-trust' }, ...object })
  }
  const spoil = {
    deleted: () => api.remove(configMapType, 'outrider-trust', 'deleted'),
    foreign: () => put(trustConfigMap({ roots: foreign, sequence: 1 }, 'foreign')),
    // Who says that it is newer is asked about, and not believed.
    newer: () => put(trustConfigMap({ roots: foreign, sequence: 999 }, 'newer')),
    emptied: () => put({ ...trustConfigMap({ roots: '', sequence: 1 }, 'emptied'), data: { other: 'x' } }),
  }
  const names = Object.keys(spoil)
  for (const name of names) label(api, name, 'enabled')
  const one = await publisher(t, api)
  const right = (name: string): boolean => {
    const content = published(api)[name]
    return content !== undefined && rootsOf(content).join() === keptRoots(one).join() && content.sequence === 1
  }
  await until('published', () => names.every(right))
  for (const [name, change] of Object.entries(spoil)) {
    change()
    t.notOk(right(name), name)
  }
  await until('put right', () => names.every(right))
  const emptied = api.all(configMapType).find(({ metadata }) => metadata.namespace === 'emptied')
  t.match(emptied?.['data'], { other: 'x' }, 'what is not ours stays')
})

t.test('a server that is behind looks at the CA first, and takes nothing back', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  label(api, 'shop', 'enabled')
  const ahead = await publisher(t, api)
  const clock = systemClock
  const texts = (): TextStorage =>
    new TextStorage('the Secret', textsOfSecret({ metadata: { name: '' }, data: secretData(api) }))
  const behind = CertificateAuthority.openIn(texts(), sharedDomain, clock)
  await ahead.ca.change((authority) => authority.prepare())
  await until('both', () => Object.values(published(api)).length === 2 && allAt(api, 2))
  const before = writes(api)
  let looked = 0
  await publisher(t, api, {
    authority: behind,
    catchUp: async () => {
      looked += 1
      behind.adopt(texts())
    },
  })
  await until('looked', () => looked > 0 && behind.bundle.current.sequence === 2)
  t.same(rootsOf(published(api)['shop']!), keptRoots(ahead))
  t.equal(writes(api), before, 'nothing was to be written')
})

t.test('a fight with somebody else has a bounded rate', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  label(api, 'shop', 'enabled')
  const one = await publisher(t, api)
  await until('published', () => 'shop' in published(api))
  const before = writes(api)
  const until2s = performance.now() + 2000
  let spoils = 0
  while (performance.now() < until2s) {
    spoils += 1
    api.put(configMapType, {
      apiVersion: 'v1',
      ...trustConfigMap({ roots: '', sequence: spoils }, 'shop'),
    })
    await new Promise(setImmediate)
  }
  t.ok(spoils > 20)
  t.ok(writes(api) - before <= 3, `${writes(api) - before} writes in two seconds`)
  await until('put right in the end', () => rootsOf(published(api)['shop']!).join() === keptRoots(one).join())
})

t.test('a namespace that does not let us is counted and logged once, and in nobody’s way', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  label(api, 'closed', 'enabled')
  label(api, 'shop', 'enabled')
  const restore = api.fail({ method: 'PATCH', path: /namespaces\/closed\//, status: 403, reason: 'Forbidden' })
  const one = await publisher(t, api)
  await until('published elsewhere', () => 'shop' in published(api))
  await until(
    'tried twice',
    () => api.asked.filter((call) => isTrust(call) && call.path.includes('closed')).length >= 2,
  )
  const errors = one.trustLines.filter(({ level }) => level === 'error')
  t.match(errors, [{ namespace: 'closed', error: { code: 'kubernetes-forbidden' } }])
  t.equal(errors.length, 1)
  t.ok((await count(one, 'outrider_trust_config_map_writes_total{result="failed"}')) >= 1)
  t.equal(await count(one, 'outrider_trust_config_maps_behind'), 1)
  restore()
  await until('published there too', () => 'closed' in published(api))
  await until('said', () => one.trustLines.some(({ message }) => /could be written .* again/.test(message)))
  t.equal(await count(one, 'outrider_trust_config_maps_behind'), 0)
})

t.test('hundreds of namespaces, two servers: each is written about once', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const names = Array.from({ length: 200 }, (_, index) => `ns-${index}`)
  for (const name of names) label(api, name, 'enabled')
  const servers = [await publisher(t, api), await publisher(t, api)]
  await until('published', () => Object.keys(published(api)).length === names.length + 1)
  for (const server of servers)
    await until('settled', async () => (await count(server, 'outrider_trust_config_maps_behind')) === 0)
  t.ok(writes(api) < 1.5 * names.length, `${writes(api)} writes`)
  t.equal(
    api.all(configMapType).filter(({ metadata }) => metadata.annotations?.[SEQUENCE_ANNOTATION] === '1').length,
    201,
  )
})

t.test('where the mesh has named namespaces, only these are looked at, and each has the roots', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  label(api, 'shop', undefined)
  label(api, 'bank', 'enabled')
  await publisher(t, api, { namespaces: ['shop'] })
  await until('published', () => Object.keys(published(api)).length === 2)
  t.same(Object.keys(published(api)).toSorted(), [CONTROL_NAMESPACE, 'shop'])
  api.remove(configMapType, 'outrider-trust', 'shop')
  await until('made again', () => 'shop' in published(api))
  t.same(
    api.asked.map(({ path }) => path).filter((path) => !/\/namespaces\/(?:shop|outrider-system)\//.test(path)),
    [],
  )
})
