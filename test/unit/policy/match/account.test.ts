import t from 'tap'
import { parseNamespace, parseServiceAccount } from '../../../../src/policy/match/account.ts'

t.test('namespaces are DNS labels', async (t) => {
  for (const name of ['a', 'a-1', '0', 'x'.repeat(63)]) t.equal(parseNamespace(name), name)
  for (const name of ['', '-a', 'a-', 'A', 'a.b', 'a/b', '*', 'x'.repeat(64), 'a\n'])
    t.throws(() => parseNamespace(name), { code: 'name-malformed' }, JSON.stringify(name))
})

t.test('service accounts are of the namespace of the policy unless they name another', async (t) => {
  t.equal(parseServiceAccount('web', 'shop'), 'shop/web')
  t.equal(parseServiceAccount('bank/web', 'shop'), 'bank/web')
  t.equal(parseServiceAccount('a.b-c.d', 'shop'), 'shop/a.b-c.d')
  for (const name of [
    '',
    '/',
    'a/',
    '/a',
    'a/b/c',
    'A',
    'a b',
    '*',
    'a/*',
    'a..b',
    '.a',
    `a/${'x'.repeat(64)}`,
    'a.b/c',
  ])
    t.throws(() => parseServiceAccount(name, 'shop'), { code: 'service-account-malformed' }, JSON.stringify(name))
})
