import t from 'tap'
import {
  formatAddress,
  isLoopback,
  isUnspecified,
  parseAddress,
  parseHost,
  parseMapping,
  parseServiceMapping,
} from '../../../src/lib/address.ts'
import { appProtocols, plainModes } from '../../../src/lib/app-protocol.ts'
import { normalisations } from '../../../src/lib/normalisation.ts'

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
    protocol: 'auto',
    mode: 'strict',
    normalise: 'strict',
  })
  for (const text of ['', '=', 'a:1', 'a:1=', '=a:1', 'a:1=b:2=c:3', 'a:1=b', 'a:1=b:0', 'a:1=http1://']) {
    t.type(parseMapping(text), 'string', JSON.stringify(text))
  }
})

t.test('a mapping may say the protocol and the mode', async (t) => {
  const listen = { host: '0.0.0.0', port: 15_406 }
  const app = { host: '127.0.0.1', port: 8080 }
  for (const protocol of appProtocols) {
    t.same(parseMapping(`0.0.0.0:15406=${protocol}://127.0.0.1:8080`), {
      listen,
      app,
      protocol,
      mode: 'strict',
      normalise: 'strict',
    })
    for (const mode of plainModes)
      t.same(parseMapping(` 0.0.0.0:15406 = ${protocol}://127.0.0.1:8080?mode=${mode} `), {
        listen,
        app,
        protocol,
        mode,
        normalise: 'strict',
      })
  }
  for (const normalise of normalisations) {
    const mapping = { listen, app, protocol: 'http2', mode: 'plaintext', normalise }
    for (const keys of [`mode=plaintext&normalise=${normalise}`, `normalise=${normalise}&mode=plaintext`])
      t.same(parseMapping(`0.0.0.0:15406=http2://127.0.0.1:8080?${keys}`), mapping)
  }
  t.same(parseMapping('0.0.0.0:15406=127.0.0.1:8080?mode=permissive'), {
    listen,
    app,
    protocol: 'auto',
    mode: 'permissive',
    normalise: 'strict',
  })
})

t.test('what is wrong with a mapping is named', async (t) => {
  const cases: readonly [string, RegExp][] = [
    ['a=b:1', /^"a" is no address to listen on$/],
    ['a:1=b', /^"b" is no address of the application$/],
    ['a:1=b:0', /^the port of the application is missing$/],
    ['a:1=http://b:1', /^the protocol "http" is none of auto, http1, http2, grpc, tcp$/],
    ['a:1=HTTP1://b:1', /^the protocol "HTTP1"/],
    ['a:1=://b:1', /^the protocol ""/],
    ['a:1=http1:///b:1', /^"\/b:1" is no address/],
    ['a:1=http1:b:1', /^"http1:b:1" is no address/],
    ['a:1=tcp://tcp://b:1', /^"tcp:\/\/b:1" is no address/],
    ['a:1=b:1?mode=open', /^the mode "open" is none of strict, permissive, plaintext$/],
    ['a:1=b:1?mode=', /^the mode ""/],
    ['a:1=b:1?', /^nothing but mode=MODE and normalise=MODE, each once, may follow the question mark, not ""$/],
    ['a:1=b:1?Mode=strict', /^nothing but mode=MODE and/],
    ['a:1=b:1?mode=strict&mode=plaintext', /^nothing but .*, not "mode=strict&mode=plaintext"$/],
    ['a:1=b:1?mode=strict&', /^nothing but/],
    ['a:1=b:1?normalise=BASE', /^the normalisation "BASE" is none of strict, none, base, merge-slashes, decode-and-/],
    ['a:1=b:1?normalise=', /^the normalisation ""/],
    ['a:1=tcp://b:1?normalise=base', /^what is spoken in tcp has no paths to normalise$/],
    ['a:1=b:1?mode=strict?mode=plaintext', /^the mode "strict\?mode=plaintext"/],
    ['a:1=b:1 ?mode=strict', /^"b:1 " is no address/],
  ]
  for (const [text, problem] of cases) t.match(parseMapping(text), problem, text)
})

t.test('a listener of a service', async (t) => {
  const service = { host: 'db.shop', port: 5432 }
  t.same(parseServiceMapping('0.0.0.0:1=DB.shop:5432'), { listen: { host: '0.0.0.0', port: 1 }, service })
  t.same(parseServiceMapping('15432=db.shop:5432'), { listen: { host: '127.0.0.1', port: 15_432 }, service })
  const cases: readonly [string, RegExp][] = [
    ['', /^"" is no address to listen on$/],
    ['65536=a:1', /to listen on/],
    ['1=db.shop', /^"db.shop" is no address of the service$/],
    ['1=tcp://db:1', /of the service/],
    ['1=db:0', /^the port of the service is missing$/],
  ]
  for (const [text, problem] of cases) t.match(parseServiceMapping(text), problem, text)
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
