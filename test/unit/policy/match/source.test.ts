import t from 'tap'
import { parseSpiffeId, parseTrustDomain } from '../../../../src/identity/spiffe-id.ts'
import { type Caller, matchesSource, parseNamespace, type SourceMatcher } from '../../../../src/policy/match/source.ts'

const id = parseSpiffeId('spiffe://a.org/ns/shop/sa/web')
const caller: Caller = { id, namespace: 'shop', trustDomain: parseTrustDomain('a.org') }
const anonymous: Caller = { id: undefined, namespace: undefined, trustDomain: undefined }
const any: SourceMatcher = { ids: undefined, namespaces: undefined, trustDomains: undefined }

t.test('all conditions that are present must hold', async (t) => {
  const ids = { exact: new Set([id]), prefixes: [] }
  const below = { exact: new Set<never>(), prefixes: [{ kind: 'prefix', prefix: 'spiffe://a.org/ns/shop/' }] as const }
  const namespaces = new Set(['shop'])
  const trustDomains = new Set([parseTrustDomain('a.org')])
  const others = new Set([parseTrustDomain('b.org')])
  t.ok(matchesSource(any, caller))
  t.ok(matchesSource({ ids, namespaces, trustDomains }, caller))
  t.ok(matchesSource({ ...any, ids: below }, caller))
  t.notOk(matchesSource({ ids, namespaces, trustDomains: others }, caller))
  t.notOk(matchesSource({ ids, namespaces: new Set(['other']), trustDomains }, caller))
  t.notOk(matchesSource({ ids: { exact: new Set(), prefixes: [] }, namespaces, trustDomains }, caller))
})

t.test('an anonymous caller satisfies no condition', async (t) => {
  t.notOk(matchesSource(any, anonymous))
})

t.test('a caller without a namespace is in none', async (t) => {
  t.notOk(matchesSource({ ...any, namespaces: new Set(['shop']) }, { ...caller, namespace: undefined }))
})

t.test('namespaces are DNS labels', async (t) => {
  for (const name of ['a', 'a-1', '0', 'x'.repeat(63)]) t.equal(parseNamespace(name), name)
  for (const name of ['', '-a', 'a-', 'A', 'a.b', 'a/b', '*', 'x'.repeat(64), 'a\n'])
    t.throws(() => parseNamespace(name), { code: 'name-malformed' }, JSON.stringify(name))
})
