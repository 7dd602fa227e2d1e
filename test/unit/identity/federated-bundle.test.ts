import t from 'tap'
import { MAX_FEDERATED_BYTES, parseFederatedBundle } from '../../../src/identity/federated-bundle.ts'
import { documentOf } from '../../fixtures/bundle-endpoint.ts'
import { makeTestCa, type TestCa } from '../../fixtures/ca.ts'

function rootOf(bytes: number): TestCa {
  const dnsNames = (length: number): string[] => ['x'.repeat(length)]
  const { length } = makeTestCa('b.test', { dnsNames: dnsNames(2000) }).rootDer
  return makeTestCa('b.test', { dnsNames: dnsNames(2000 + bytes - length) })
}

t.test('a foreign bundle is only so large', async (t) => {
  const parse = (cas: readonly TestCa[]): unknown => parseFederatedBundle(Buffer.from(documentOf(cas, 1)), 'b.test')
  const many = Array.from({ length: 15 }, () => rootOf(2100))
  const left = MAX_FEDERATED_BYTES - many.reduce((sum, { rootDer }) => sum + rootDer.length, 0)
  t.doesNotThrow(() => parse([...many, makeTestCa('b.test')]))
  t.throws(() => parse([...many, rootOf(left + 200)]), { code: 'bundle-too-large', message: /at most 32768/ })
  t.throws(() => parseFederatedBundle(Buffer.from('[]'), 'b.test'), { code: 'json-malformed' })
})
