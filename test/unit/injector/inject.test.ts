import t from 'tap'
import { injectPod } from '../../../src/injector/inject-pod.ts'
import { injectText, MAX_MANIFEST_BYTES } from '../../../src/injector/manifest/inject-text.ts'
import { injectSettings } from '../../fixtures/manifests.ts'

type Fields = Readonly<Record<string, unknown>>

function pod(spec: Fields, annotations: Fields = {}): Fields {
  return { metadata: { name: 'a', annotations }, spec: { containers: [{ name: 'app', image: 'app:1' }], ...spec } }
}

function codesOf(outcome: ReturnType<typeof injectPod>): readonly string[] {
  return outcome.kind === 'refused' ? outcome.refusals.map(({ code, field }) => `${code} ${field}`) : [outcome.kind]
}

t.test('a cluster without native sidecars', async (t) => {
  for (const [version, codes] of [
    [[1, 28], ['inject-kubernetes-version spec.initContainers']],
    [[1, 29], ['injected']],
    [[2, 0], ['injected']],
  ] as const)
    t.strictSame(codesOf(injectPod(pod({}), undefined, { ...injectSettings, kubernetesVersion: version })), codes)
})

t.test('values of annotations at their bounds', async (t) => {
  const outcome = (name: string, value: unknown): string =>
    codesOf(injectPod(pod({}, { [`outrider.mesh/${name}`]: value }), undefined, injectSettings))[0] ?? ''
  const right: Fields = {
    'inbound-ports': '1,65535',
    'exclude-inbound-ports': '',
    'exclude-outbound-ranges': '0.0.0.0/0, ::/0, 192.0.2.1/32',
    'exclude-interfaces': 'eth0,net1.100',
    'cpu-limit': '0.5',
    'memory-limit': '1.5Gi',
    image: 'localhost:5000/outrider:edge',
    workload: 'a-1',
    'spiffe-id': 'spiffe://example.org/ns/shop/sa/cart',
  }
  for (const [name, value] of Object.entries(right))
    t.equal(outcome(name, value), 'injected', `${name}: ${JSON.stringify(value)}`)
  const wrong: Fields = {
    'inbound-ports': '0',
    'exclude-inbound-ports': '65536',
    'exclude-outbound-ports': Array.from({ length: 65 }, (_, port) => port + 1).join(','),
    'exclude-outbound-ranges': '10.0.0.0',
    'exclude-interfaces': 'an-interface-of-a-long-name',
    'cpu-limit': '-1',
    'memory-request': '1 Gi',
    image: 'outrider; rm -rf /',
    workload: 'Upper',
    'spiffe-id': 'spiffe://example.org',
    mode: '',
    inject: true,
  }
  for (const [name, value] of Object.entries(wrong))
    t.equal(outcome(name, value), `inject-annotation-value metadata.annotations[outrider.mesh/${name}]`, name)
})

t.test('what somebody else reads as something else is refused', async (t) => {
  const cases: readonly (readonly [Fields, string])[] = [
    [{ containers: {} }, 'inject-pod-malformed spec.containers'],
    [{ containers: [] }, 'inject-pod-malformed spec.containers'],
    [{ containers: [{ image: 'a' }] }, 'inject-pod-malformed spec.containers[0].name'],
    [{ containers: ['a'] }, 'inject-pod-malformed spec.containers[0]'],
    [{ shareProcessNamespace: 'true' }, 'inject-pod-malformed spec.shareProcessNamespace'],
    [{ nodeSelector: { 'kubernetes.io/os': 'windows' } }, 'inject-windows spec.nodeSelector[kubernetes.io/os]'],
  ]
  for (const [spec, code] of cases) t.ok(codesOf(injectPod(pod(spec), undefined, injectSettings)).includes(code), code)
  for (const value of [null, 'pod', 7, [], { metadata: [] }, { spec: 'x' }])
    t.equal(injectPod(value, undefined, injectSettings).kind, 'refused', JSON.stringify(value))
})

t.test('bounds: ports, probes, containers, bytes', async (t) => {
  const ports = Array.from({ length: 65 }, (_, index) => ({ containerPort: 20_000 + index }))
  t.strictSame(codesOf(injectPod(pod({ containers: [{ name: 'a', ports }] }), undefined, injectSettings)), [
    'inject-too-large spec.containers',
  ])
  const probed = Array.from({ length: 65 }, (_, index) => ({
    name: `c${index}`,
    livenessProbe: { httpGet: { path: `/${index}`, port: 80 } },
  }))
  t.strictSame(codesOf(injectPod(pod({ containers: probed }), undefined, injectSettings)), [
    'inject-probe spec.containers',
  ])
  const many = Array.from({ length: 101 }, (_, index) => ({ name: `c${index}` }))
  t.strictSame(codesOf(injectPod(pod({ containers: many }), undefined, injectSettings)), [
    'inject-pod-malformed spec.containers',
  ])
  t.match(injectText('#'.repeat(MAX_MANIFEST_BYTES + 1), injectSettings), {
    ok: false,
    faults: [{ code: 'manifest-too-large', message: new RegExp(`the limit is ${MAX_MANIFEST_BYTES}`) }],
  })
})

t.test('a path with a dollar is no variable of Kubernetes', async (t) => {
  const containers = [{ name: 'a', livenessProbe: { httpGet: { path: '/$(POD_IP)$$', port: 80 } } }]
  const outcome = injectPod(pod({ containers }), undefined, injectSettings)
  t.match(JSON.stringify(outcome), /"OUTRIDER_PROBES","value":"http:\/\/:80\/\$\$\(POD_IP\)\$\$\$\$"/)
})

t.test('every other way to say that no sidecar is wanted', async (t) => {
  const disabled = { 'outrider.mesh/inject': 'disabled' }
  t.match(injectPod(pod({ hostNetwork: true }, disabled), undefined, injectSettings), {
    kind: 'unchanged',
    why: 'disabled',
  })
  const both = { ...pod({}, { 'outrider.mesh/inject': 'enabled' }), metadata: { labels: disabled } }
  t.match(injectPod(both, undefined, injectSettings), { kind: 'unchanged', why: 'disabled' })
})
