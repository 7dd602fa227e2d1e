import t from 'tap'
import { matchesHost, parseHostPattern } from '../../../../src/policy/match/host.ts'

const matches = (pattern: string, host: string): boolean => matchesHost(parseHostPattern(pattern), host)

t.test('hosts, whole and by their end', async (t) => {
  t.ok(matches('api.example.org', 'api.example.org'))
  t.notOk(matches('api.example.org', 'x.api.example.org'))
  t.ok(matches('*.example.org', 'api.example.org'))
  t.ok(matches('*.example.org', 'a.b.example.org'))
  t.notOk(matches('*.example.org', 'example.org'), 'the name itself is not below itself')
  t.notOk(matches('*.example.org', 'evilexample.org'))
  t.notOk(matches('*.example.org', '.example.org'))
  t.ok(matches('10.0.0.1', '10.0.0.1'))
  for (const address of ['::1', '[::1]', '0:0:0:0:0:0:0:1', '[0::1]']) t.ok(matches(address, '[::1]'), address)
  t.notOk(matches('::1', '[::2]'))
})

t.test('what is not a host', async (t) => {
  for (const text of ['*', '*example.org', 'a.*', '*.*.org', '*.', 'a*.b'])
    t.throws(() => parseHostPattern(text), { code: text === '*.' ? 'host-malformed' : 'host-pattern-star' }, text)
  for (const text of [
    '',
    'API.example.org',
    'a b',
    'a:80',
    'a.',
    '*.A',
    '*..a',
    '-a',
    '[a]',
    '[::1]:80',
    'fe80::1%eth0',
    '[10.0.0.1]',
  ])
    t.throws(() => parseHostPattern(text), { code: 'host-malformed' }, JSON.stringify(text))
})
