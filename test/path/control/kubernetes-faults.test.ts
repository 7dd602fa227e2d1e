import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import type { Kind } from '../../../src/policy/model.ts'
import { inStep, soon, startTestCluster, stored } from '../../fixtures/cluster-store.ts'
import type { TestControl } from '../../fixtures/control.ts'
import { below, pick, seed } from '../../fixtures/fuzz.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const CHANGES = 250
const names = ['a', 'b', 'c', 'd']

async function documents({ admin }: TestControl): Promise<Readonly<Record<string, unknown>>> {
  const { resources } = await admin.list({})
  return Object.fromEntries(
    resources.map(({ ref, document }) => [`${ref?.kind}/${ref?.namespace}/${ref?.name}`, JSON.parse(document)]),
  )
}

t.test(
  'random changes under random faults: servers that saw all of it have what one has that sees the end',
  async (t) => {
    t.comment(`seed ${seed}`)
    const cluster = await startTestCluster(t)
    const { api } = cluster
    const [one, two] = [
      await cluster.control(t, { 'kubernetes-server-name': 'one' }),
      await cluster.control(t, { 'kubernetes-server-name': 'two' }),
    ]
    await Promise.all([inStep(one), inStep(two)])
    const written = new Map<string, readonly [kind: Kind, name: string, namespace: string]>()
    const write = (kind: Kind, name: string, spec: object, namespace = 'default'): void => {
      cluster.apply(kind, name, spec, namespace)
      written.set(`${kind}/${name}`, [kind, name, namespace])
    }
    const changes: readonly (() => void)[] = [
      () =>
        write('AuthorizationPolicy', pick(...names), {
          action: pick('ALLOW', 'DENY', 'MAYBE'),
          rules: [{}],
          workloads: [pick(...names)],
        }),
      () => write('Workload', pick(...names), { spiffeId: `spiffe://test.local/ns/default/sa/${pick(...names)}` }),
      () => write('Service', pick(...names), { ports: [{ port: 80, targetPort: 8080 }], workloads: [pick(...names)] }),
      () => write('MeshConfig', pick(...names), { outbound: pick('allow', 'deny') }, 'outrider-system'),
      () => {
        const [key] = [...written.keys()].toSpliced(0, below(Math.max(1, written.size)))
        const [kind, name, namespace] = written.get(key ?? '') ?? []
        if (kind === undefined || name === undefined) return
        cluster.remove(kind, name, namespace)
        written.delete(key ?? '')
      },
      () => cluster.pod(`${pick(...names)}-${below(3)}`, { account: pick(...names), meshed: pick(true, true, false) }),
      () => {
        const at = below(names.length)
        const pods = names.map((name) => `${name}-${below(3)}`)
        const notReady = [`${pick(...names)}-9`]
        cluster.service(names[at]!, { pods, notReady, clusterIp: `10.96.0.${at + 1}` })
      },
    ]
    const faults: readonly (() => void | Promise<void>)[] = [
      () => api.dropWatches(),
      () => api.endWatches(),
      () => api.endWatches({ bare: true }),
      () => api.dropAll(),
      () => api.compact({ early: pick(true, false) }),
      () => api.bookmark(),
      () => api.rubbish('{"type":"ADDED","object":{}}\n'),
      () => void api.fail({ status: pick(429, 500, 503), reason: 'Busy', message: 'later', times: 1 + below(5) }),
      () => api.restart(),
    ]
    for (let change = 0; change < CHANGES; change += 1) {
      pick(...changes)()
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      if (below(8) === 0) await pick(...faults)()
      for (const { clock } of [one, two]) clock.advance(below(60))
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      if (below(4) === 0) await stored(one)
    }
    // Who saw an earlier form that was good has more than who sees the end.
    for (const [kind, name, namespace] of written.values()) cluster.remove(kind, name, namespace)
    for (const name of names) write('Workload', `w-${name}`, { spiffeId: `spiffe://test.local/ns/default/sa/${name}` })
    for (const name of names)
      write('AuthorizationPolicy', name, { action: 'DENY', rules: [{}], workloads: [`w-${name}`] })
    write('Service', 'a', { ports: [{ port: 80, targetPort: 8080 }], workloads: ['w-a', 'w-b'] })

    const fresh = await cluster.control(t, { 'kubernetes-server-name': 'fresh' })
    await inStep(fresh)
    const wanted = await documents(fresh)
    t.ok(Object.keys(wanted).length >= 9, `${Object.keys(wanted).length} resources`)
    for (const control of [one, two]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await soon(control, 'it has the same', async () => isDeepStrictEqual(await documents(control), wanted)).catch(
        () => {},
      )
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      t.same(await documents(control), wanted)
    }
  },
)
