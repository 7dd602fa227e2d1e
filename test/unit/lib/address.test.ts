import t from 'tap'
import {
  formatAddress,
  isLoopback,
  isUnspecified,
  parseAddress,
  parseHost,
  parseMapping,
} from '../../../src/lib/address.ts'

t.test('reads IPv4, IPv6 and names', async (t) => {
  t.same(parseAddress('127.0.0.1:80'), { host: '127.0.0.1', port: 80 })
  t.same(parseAddress('[::1]:0'), { host: '::1', port: 0 })
  t.same(parseAddress('Control.Example.:80'), undefined, 'no trailing dot')
  t.same(parseAddress('Control.Example:65535'), { host: 'control.example', port: 65_535 })
})

t.test('refuses what is not exactly an address', async (t) => {
  const wrong = [
    '',
    ':80',
    '80',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '127.0.0.1:8o',
    '127.0.0.1:80 ',
    '::1:80',
    '[::1]',
    '[127.0.0.1]:80',
    '[::g]:80',
    '127.0.0.300:80',
    '1234:80',
    'a b:80',
    'http://a:80',
    'a..b:80',
    '-a:80',
    `${'a'.repeat(64)}:80`,
  ]
  for (const text of wrong) t.equal(parseAddress(text), undefined, JSON.stringify(text))
})

t.test('a written address reads back', async (t) => {
  for (const text of ['[fe80::1]:1', '10.0.0.1:2', 'a.b:3']) t.equal(formatAddress(parseAddress(text)!), text)
})

t.test('mappings need two addresses and nothing more', async (t) => {
  t.same(parseMapping('0.0.0.0:15406=[::1]:8080'), {
    listen: { host: '0.0.0.0', port: 15_406 },
    app: { host: '::1', port: 8080 },
  })
  for (const text of ['', '=', 'a:1', 'a:1=', '=a:1', 'a:1=b:2=c:3', 'a:1=b']) {
    t.equal(parseMapping(text), undefined, JSON.stringify(text))
  }
})

t.test('loopback is not what only looks like it', async (t) => {
  for (const host of ['127.0.0.1', '127.255.255.254', '::1', 'localhost']) t.ok(isLoopback(host), host)
  for (const host of ['127.example.com', '128.0.0.1', '0.0.0.0', '::', '::ffff:10.0.0.1', 'localhost.example.com']) {
    t.notOk(isLoopback(host), host)
  }
})

t.test('unspecified addresses in all their spellings', async (t) => {
  for (const host of ['0.0.0.0', '::', '0:0:0:0:0:0:0:0']) t.ok(isUnspecified(host), host)
  for (const host of ['0.0.0.1', '::1', 'example']) t.notOk(isUnspecified(host), host)
  t.equal(parseHost('[::1]'), '::1')
})
