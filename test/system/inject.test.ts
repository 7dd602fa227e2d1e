// What is injected, before a real API server: every manifest is valid to the letter, and its own admission asks the webhooks.
import t, { type Test } from 'tap'
import { fieldsOf, itemsOf, textOf } from '../../src/injector/pod.ts'
import { openDocument, splitDocuments } from '../../src/policy/document-edit.ts'
import { type Cluster, type ClusterAnswer, withApiServer } from '../fixtures/cluster.ts'
import { podOfReplicaSet, startTestInjector } from '../fixtures/injector.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { isRefused, manifestVectors } from '../fixtures/manifests.ts'

checkLeaks(t)

const collections: Readonly<Record<string, string>> = {
  Pod: 'pods',
  Service: 'services',
  ConfigMap: 'configmaps',
  ServiceAccount: 'serviceaccounts',
  ReplicationController: 'replicationcontrollers',
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  DaemonSet: 'daemonsets',
  ReplicaSet: 'replicasets',
  Job: 'jobs',
  CronJob: 'cronjobs',
  PodDisruptionBudget: 'poddisruptionbudgets',
}

t.test('before a real API server', (t) => withApiServer(t, (cluster) => withCluster(t, cluster)))

async function withCluster(t: Test, cluster: Cluster): Promise<void> {
  for (const name of ['default', 'shop', 'observability', 'guestbook', 'locked']) {
    await cluster.ask('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    // A controller makes the first in a whole cluster.
    for (const account of ['default', 'cart']) {
      const path = `/api/v1/namespaces/${name}/serviceaccounts`
      await cluster.ask('POST', path, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account } })
    }
  }

  await t.test('every manifest that inject writes is valid', async (t) => {
    let checked = 0
    for (const { name, expected } of manifestVectors().filter((vector) => !isRefused(vector.name))) {
      for (const piece of splitDocuments(expected)) {
        const opened = openDocument(piece)
        if (opened === undefined || !('value' in opened)) continue
        const isList = fieldsOf(opened.value)['kind'] === 'List'
        // The text itself where it can be sent: the API server reads YAML as kubectl does.
        const objects = isList ? itemsOf(fieldsOf(opened.value)['items']) : [opened.value]
        for (const object of objects) {
          const path = collectionOf(object)
          if (path === undefined) continue
          const body = isList ? fieldsOf(object) : piece.replace(/^\uFEFF/, '')
          const { status, body: answer } = await cluster.ask('POST', `${path}?dryRun=All&fieldValidation=Strict`, body)
          t.equal(status, 201, `${name}: ${status === 201 ? 'valid' : textOf(answer['message'])}`)
          checked += 1
        }
      }
    }
    t.comment(`${checked} objects`)
    t.ok(checked >= 50)
  })

  await t.test('a pod that is created by REST has its sidecar', async (t) => {
    const test = await startTestInjector(
      t,
      {
        'service-name': 'localhost',
        'kubernetes-api': cluster.address,
        'kubernetes-ca-file': cluster.caFile,
        'kubernetes-api-token-file': cluster.tokenFile,
      },
      ['localhost'],
    )
    // There is no configuration yet.
    while (!test.lines.some((line) => line.includes('could not be changed'))) await turn()
    const url = `https://localhost:${test.injector.address.split(':').at(-1)}/inject`
    const created = await cluster.ask('POST', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: 'outrider-injector' },
      webhooks: [
        {
          name: 'pods.outrider.mesh',
          clientConfig: { url },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'shop' } },
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          timeoutSeconds: 10,
        },
      ],
    })
    t.equal(created.status, 201, textOf(created.body['message']) ?? 'created')
    await cluster.ask('POST', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'outrider-injector' },
      webhooks: [],
    })
    const pods = '/api/v1/namespaces/shop/pods'
    const pod = (name: string, spec = {}): object => {
      const { metadata, ...rest } = podOfReplicaSet(spec)
      const { labels } = fieldsOf(metadata)
      return { ...rest, metadata: { name, labels } }
    }
    // An API server takes over a new configuration within a second or so.
    const until = async (name: string, status: number): Promise<ClusterAnswer> => {
      let answer = await cluster.ask('POST', pods, pod(`${name}-0`))
      for (let tries = 1; answer.status !== status && tries < 100; tries += 1) {
        await turn(100)
        answer = await cluster.ask('POST', pods, pod(`${name}-${tries}`))
      }
      return answer
    }
    const early = await until('early', 500)
    t.equal(early.status, 500, 'nobody is let in while the API server cannot believe the webhook')
    test.control.clock.advance(1000)
    while (!test.lines.some((line) => line.includes('the webhook configurations have our roots'))) await turn()

    const injected = await until('cart', 201)
    t.equal(injected.status, 201, textOf(injected.body['message']) ?? 'created')
    const spec = fieldsOf(injected.body['spec'])
    t.match(spec['initContainers'], [{ name: 'outrider-redirect' }, { name: 'outrider', restartPolicy: 'Always' }])
    t.match(spec['containers'], [{ readinessProbe: { httpGet: { path: '/probe/http/8080/ready', port: 15_020 } } }])
    const plain = await cluster.ask('POST', '/api/v1/namespaces/default/pods', pod('plain'))
    t.equal(plain.status, 201)
    t.equal(fieldsOf(plain.body['spec'])['initContainers'], undefined, 'another namespace')

    const unsafe = await cluster.ask(
      'POST',
      pods,
      pod('unsafe', { hostNetwork: true, containers: [{ name: 'a', image: 'a:1' }] }),
    )
    t.equal(unsafe.status, 422)
    t.match(unsafe.body['message'], /denied the request: .*spec\.hostNetwork: .*\(inject-host-network\)/)

    await test.injector.drain()
    const closed = await cluster.ask('POST', pods, pod('late'))
    t.equal(closed.status, 500, 'failurePolicy is Fail: no injector, no pod')
  })
}

/** Where an object of a kind that the API server has by itself is created. */
function collectionOf(object: unknown): string | undefined {
  const { apiVersion, kind, metadata } = fieldsOf(object)
  const collection = collections[textOf(kind) ?? '']
  const version = textOf(apiVersion) ?? ''
  const known = /^(?:v1|apps\/v1|batch\/v1|policy\/v1)$/.test(version)
  if (collection === undefined || !known) return undefined
  const namespace = textOf(fieldsOf(metadata)['namespace']) ?? 'default'
  return `/${version.includes('/') ? 'apis' : 'api'}/${version}/namespaces/${namespace}/${collection}`
}

function turn(ms = 5): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
