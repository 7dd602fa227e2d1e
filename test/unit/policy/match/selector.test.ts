import t from 'tap'
import { parseSelector, selectorsFault } from '../../../../src/policy/match/selector.ts'

const HASH = 'ab'.repeat(32)

t.test('selectors of every kind', async (t) => {
  for (const text of [
    'k8s:ns:payments',
    'k8s:sa:api.v2',
    'k8s:pod-name:api-7d9f-x2',
    'k8s:pod-uid:0f9a3b1c-0000-4000-8000-00000000000a',
    'k8s:node-name:node-1.example.org',
    'unix:uid:0',
    'unix:gid:4294967294',
    'unix:path:/usr/bin/a:b',
    `unix:sha256:${HASH}`,
    `x509:subject-sha256:${HASH}`,
    `x509:cert-sha256:${HASH}`,
    `x509:root-sha256:${HASH}`,
    'x509:dns:host.example.org',
    'x509:uri:urn:host:1',
  ]) {
    t.equal(parseSelector(text).text, text)
  }
})

t.test('what is not exactly a selector is refused', async (t) => {
  for (const text of [
    '',
    'k8s',
    'k8s:ns',
    'k8s:ns:',
    'k8s:ns:Payments',
    'k8s:ns:a/b',
    'k8s:ns:*',
    'k8s:pod-label:a',
    'K8S:ns:a',
    'unix:uid:01',
    'unix:uid:-1',
    'unix:uid:root',
    'unix:path:bin/sh',
    'unix:sha256:AB',
    `x509:cert-sha256:${HASH.toUpperCase()}`,
    'x509:uri:with space',
    'toString:x:y',
    '__proto__:x:y',
  ]) {
    t.throws(() => parseSelector(text), { code: 'selector-malformed' }, text)
  }
})

t.test('selectors that can never hold together', async (t) => {
  const fault = (...texts: string[]): string | undefined => selectorsFault(texts.map(parseSelector))
  t.equal(fault('k8s:ns:a', 'k8s:sa:b', 'k8s:pod-name:c'), undefined)
  t.match(fault('k8s:sa:b'), /needs k8s:ns/)
  t.match(fault('k8s:pod-name:b', 'k8s:node-name:c'), /needs k8s:ns/)
  t.match(fault('k8s:ns:a', 'unix:uid:1'), /two kinds/)
})
