// The API server that our tests have in place of a real one says what a real one says.
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { type ApiServerFlags, type Cluster, startCluster } from '../fixtures/cluster.ts'
import { ensure } from '../fixtures/cluster-accounts.ts'
import { Conversation, type Spoken } from '../fixtures/kubernetes-conversation.ts'
import { applying } from '../fixtures/kubernetes-talks/apply.ts'
import { access, listing } from '../fixtures/kubernetes-talks/reads.ts'
import { forgetting, watching } from '../fixtures/kubernetes-talks/watches.ts'
import { NAMESPACE, WORKLOADS } from '../fixtures/kubernetes-talks/words.ts'
import { writing } from '../fixtures/kubernetes-talks/writes.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { until } from '../fixtures/process.ts'

checkLeaks(t)

const talks = [...writing, ...applying, ...listing, ...watching, ...access, ...forgetting]

async function talk(t: Test, spoken: Spoken, cached = true): Promise<void> {
  const api = new Conversation(spoken)
  t.teardown(() => api.close())
  for (const { name, run, expected } of talks.filter((talk) => cached || talk.cached !== true)) {
    t.same(await run(api).catch((error: Error) => error.message), expected, name)
  }
}

/** With its cache of watches, and without: what is too old is then for etcd to say. */
const kinds: Readonly<Record<string, ApiServerFlags>> = {
  'with a watch cache': {},
  'without a watch cache': { 'watch-cache': 'false' },
}

for (const [kind, flags] of Object.entries(kinds)) {
  t.test(`a real API server ${kind}`, async (t) => {
    const cluster = await startCluster(t, flags)
    if (typeof cluster !== 'string') return talk(t, await spokenOf(cluster), !('watch-cache' in flags))
    console.log(`note: left out: ${cluster}`)
    t.pass('there is no API server')
  })
}

/** Types and a namespace that are there before the conversation. */
async function spokenOf(cluster: Cluster): Promise<Spoken> {
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  await ensure(cluster, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'workloads.outrider.mesh' },
    spec: {
      group: 'outrider.mesh',
      scope: 'Namespaced',
      names: { kind: 'Workload', plural: 'workloads' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } },
        },
      ],
    },
  })
  await until('the custom resource is served', async () => (await cluster.ask('GET', WORKLOADS)).status === 200)
  await ensure(cluster, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } })
  return {
    address: cluster.address,
    caFile: cluster.caFile,
    token: readFileSync(cluster.tokenFile, 'utf8'),
    async forget() {
      await cluster.compact()
      // Its cache would still know.
      await cluster.stop('SIGKILL')
      await cluster.start()
    },
  }
}
