// The API server that our tests have in place of a real one says what a real one says.
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { type ApiServerFlags, startCluster } from '../fixtures/cluster.ts'
import { startKubernetes } from '../fixtures/kubernetes-api.ts'
import { Conversation, type Spoken } from '../fixtures/kubernetes-conversation.ts'
import { applying } from '../fixtures/kubernetes-talks/apply.ts'
import { access, listing } from '../fixtures/kubernetes-talks/reads.ts'
import { forgetting, watching } from '../fixtures/kubernetes-talks/watches.ts'
import { definition, NAMESPACE, WORKLOADS } from '../fixtures/kubernetes-talks/words.ts'
import { writing } from '../fixtures/kubernetes-talks/writes.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { until } from '../fixtures/process.ts'

checkLeaks(t)

const talks = [...writing, ...applying, ...listing, ...watching, ...access, ...forgetting]

async function talk(t: Test, spoken: Spoken, cached = true): Promise<void> {
  const api = new Conversation(spoken)
  t.teardown(() => api.close())
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }
  t.equal((await api.say('POST', '/api/v1/namespaces', namespace)).status, 201)
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  t.equal((await api.say('POST', definitions, definition)).status, 201)
  await until('the custom resource is served', async () => (await api.say('GET', WORKLOADS)).status === 200)
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
    if (typeof cluster === 'string') {
      console.log(`note: left out: ${cluster}`)
      t.pass('there is no API server')
      return
    }
    const forget = async (): Promise<void> => {
      await cluster.compact()
      // Its cache would still know.
      await cluster.stop('SIGKILL')
      await cluster.start()
    }
    await talk(t, { ...cluster, token: readFileSync(cluster.tokenFile, 'utf8'), forget }, !('watch-cache' in flags))
  })
}

t.test('the one of the tests', async (t) => {
  const api = await startKubernetes(t)
  const token = readFileSync(api.tokenFile, 'utf8').trim()
  await talk(t, { address: api.address, caFile: api.caFile, token, forget: async () => api.compact() })
})
