import t from 'tap'
import type { Finding } from '../../../src/installation/check/finding.ts'
import { factsOf, type PodFacts, podFindings } from '../../../src/installation/check/pods.ts'
import { type ClusterObject, objectOf } from '../../../src/kubernetes/objects.ts'
import { parseDocuments } from '../../../src/policy/document.ts'
import { programVersion } from '../../../src/cli/commands/version.ts'
import { outrider } from '../../fixtures/command-line.ts'

const expected = { version: programVersion(), audience: 'outrider', trustDomain: 'outrider.local' }
const labelled = new Set(['shop'])

/** A pod with its sidecar, as `outrider inject` makes it. */
async function injected(...flags: string[]): Promise<ClusterObject> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: { containers: [{ name: 'app', image: 'a:1' }] },
  }
  const { stdout, stderr } = await outrider(['inject', '-f', '-', ...flags], { stdin: JSON.stringify(pod) })
  const [document] = parseDocuments(stdout, 'pod').documents
  return objectOf(document?.value, stderr)
}

function statusOf(sidecar: object = {}, capture: object = { state: { terminated: { exitCode: 0 } } }): object {
  const initContainerStatuses = [
    { name: 'outrider-redirect', ...capture },
    { name: 'outrider', ready: true, restartCount: 0, ...sidecar },
  ]
  return { phase: 'Running', initContainerStatuses }
}

function findings(pods: readonly (PodFacts | undefined)[]): (check: string) => Finding | undefined {
  const all = podFindings(
    pods.filter((pod) => pod !== undefined),
    labelled,
    expected,
  )
  return (name) => all.find(({ check }) => check === name)
}

t.test('a pod that is as it should be', async (t) => {
  const facts = factsOf({ ...(await injected()), status: statusOf() })
  t.match(facts, { ...expected, name: 'cart', namespace: 'shop', state: 'meshed', ready: true, restarts: 0 })
  t.equal(facts?.capture, undefined)
  t.same(
    podFindings(facts === undefined ? [] : [facts], labelled, expected).filter(({ result }) => result !== 'ok'),
    [],
  )
})

t.test('the capture step: failed, failed before, or made at a second try', async (t) => {
  const pod = await injected()
  const of = (capture: object): string | undefined =>
    factsOf({ ...pod, status: statusOf({ ready: false }, capture) })?.capture
  const failed = { terminated: { exitCode: 1, message: 'capture-privilege' } }
  t.equal(of({ state: failed }), 'capture-privilege')
  t.equal(of({ state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: failed }), 'capture-privilege')
  t.equal(of({ state: { terminated: { exitCode: 137 } } }), 'exit code 137')
  t.equal(of({ state: { terminated: { exitCode: 0 } }, lastState: failed }), undefined)
  t.equal(of({ state: { running: {} } }), undefined)
})

t.test('pods that nobody looks at', async (t) => {
  const pod = await injected()
  t.equal(factsOf({ ...pod, status: { phase: 'Succeeded' } }), undefined)
  t.equal(factsOf({ ...pod, status: { phase: 'Failed' } }), undefined)
  t.equal(factsOf({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }), undefined)
  t.equal(factsOf({ metadata: { name: 'etcd', annotations: { 'kubernetes.io/config.mirror': 'x' } } }), undefined)
})

t.test('each fault is told with the name of the pod, and more than three are counted', async (t) => {
  const pod = await injected('--token-audience', 'other', '--trust-domain', 'far.test')
  const foreign = factsOf({ ...pod, status: statusOf({ ready: false, restartCount: 4 }) })
  const of = findings([foreign])
  t.match(of('token audience'), { result: 'failed', detail: /^shop\/cart have a token for another audience/ })
  t.match(of('trust domain'), {
    result: 'failed',
    detail: /^shop\/cart ask for an identity outside of outrider\.local/,
  })
  t.match(of('sidecars'), { result: 'failed' })
  t.match(of('restarts'), { result: 'warning' })
  const { annotations } = pod.metadata
  const bare = (name: string, labels = {}, namespace = 'shop'): PodFacts | undefined =>
    factsOf({ metadata: { name, namespace, labels }, spec: { containers: [{ name: 'a' }] } })
  const damaged = factsOf({
    metadata: { name: 'torn', namespace: 'shop', ...(annotations && { annotations }) },
    spec: { containers: [{ name: 'a' }] },
  })
  const many = ['a', 'b', 'c', 'd', 'e'].map((name) => bare(name))
  const left = [bare('no', { 'outrider.mesh/inject': 'disabled' }), bare('elsewhere', {}, 'other')]
  const some = findings([...many, ...left, damaged])
  t.match(some('pods without sidecar'), { result: 'failed', detail: /^shop\/a, shop\/b, shop\/c and 2 more are / })
  t.match(some('damaged pods'), { result: 'failed', detail: /^shop\/torn have the annotation/ })
})
