import { inspect } from 'node:util'
import t from 'tap'
import { type ConfigSources, loadConfig } from '../../../src/config/load.ts'
import type { OptionTable } from '../../../src/config/option.ts'
import { OutriderError } from '../../../src/lib/errors.ts'

const table = {
  drainTimeoutMs: { type: 'duration', default: '30s', min: '1s', max: '1h', doc: 'a duration' },
  maxHeadBytes: { type: 'integer', default: 100, min: 10, max: 1000, unit: 'bytes', doc: 'an integer' },
  workers: { type: 'integer', default: 1, min: 1, max: 64, auto: true, doc: 'an integer or auto' },
  accessLog: { type: 'enum', values: ['all', 'off'], default: 'off', doc: 'an enum' },
  admin: { type: 'address', use: 'listen', default: '127.0.0.1:0', loopback: true, doc: 'a loopback address' },
  outbound: { type: 'address', use: 'listen', default: '', optional: true, doc: 'an address or none' },
  upstream: { type: 'address', use: 'connect', default: '127.0.0.1:1', doc: 'where to' },
  inbound: { type: 'mappings', default: '', max: 2, doc: 'a list' },
  outboundServices: { type: 'services', default: '', max: 2, doc: 'a list' },
  strict: { type: 'boolean', default: true, doc: 'a boolean' },
  name: { type: 'string', default: 'x', pattern: '[a-z]+', expects: 'lower-case letters', doc: 'a string' },
  folder: { type: 'path', default: '/x', doc: 'a path' },
  advertise: { type: 'host', default: '', optional: true, doc: 'a host' },
  joinToken: { type: 'secret', default: '', doc: 'a secret' },
} as const satisfies OptionTable

function load(sources: Partial<ConfigSources<typeof table>>) {
  return loadConfig(table, { env: {}, flags: {}, ...sources })
}

function failure(sources: Partial<ConfigSources<typeof table>>): OutriderError {
  try {
    load(sources)
  } catch (error) {
    if (error instanceof OutriderError) return error
    throw error
  }
  throw new Error('was accepted')
}

t.test('defaults', async (t) => {
  const config = load({})
  t.match(config, {
    drainTimeoutMs: 30_000,
    maxHeadBytes: 100,
    accessLog: 'off',
    admin: { host: '127.0.0.1', port: 0 },
    outbound: undefined,
    inbound: [],
    strict: true,
    advertise: undefined,
    joinToken: undefined,
  })
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.inbound) && Object.isFrozen(config.admin))
})

t.test('a number that the process finds', async (t) => {
  t.equal(load({}).workers, 1)
  t.equal(load({ env: { OUTRIDER_WORKERS: 'auto' } }).workers, 'auto')
  t.equal(load({ file: { workers: 4 } }).workers, 4)
})

t.test('a flag wins over the environment, that over the file, that over the default', async (t) => {
  const file = { drainTimeoutMs: '2s' }
  const env = { OUTRIDER_DRAIN_TIMEOUT_MS: '3s' }
  const flags = { 'drain-timeout-ms': '4s' }
  t.equal(load({ defaults: { drainTimeoutMs: '1s' } }).drainTimeoutMs, 1000)
  t.equal(load({ file, defaults: { drainTimeoutMs: '1s' } }).drainTimeoutMs, 2000)
  t.equal(load({ file, env }).drainTimeoutMs, 3000)
  t.equal(load({ file, env, flags }).drainTimeoutMs, 4000)
})

t.test('the file may hold numbers, booleans and lists', async (t) => {
  const file = { drainTimeoutMs: 2500, maxHeadBytes: 200, strict: false, inbound: ['127.0.0.1:0=127.0.0.1:80'] }
  t.match(load({ file }), { drainTimeoutMs: 2500, maxHeadBytes: 200, strict: false })
  t.equal(load({ file }).inbound[0]?.app.port, 80)
  t.equal(load({ file: null }).maxHeadBytes, 100, 'an empty file')
})

t.test('lists: repeated flags, commas, and none at all', async (t) => {
  const one = '127.0.0.1:0=127.0.0.1:80'
  t.equal(load({ flags: { inbound: [one, one] } }).inbound.length, 2)
  t.equal(load({ env: { OUTRIDER_INBOUND: `${one}, ${one}` } }).inbound.length, 2)
  t.equal(
    load({ env: { OUTRIDER_INBOUND: one }, flags: { inbound: [''] } }).inbound.length,
    0,
    'the empty flag means none',
  )
  t.equal(load({ env: { OUTRIDER_INBOUND: one }, flags: { inbound: [] } }).inbound.length, 1, 'no flag was given')
})

t.test('listeners of services', async (t) => {
  const { outboundServices } = load({
    env: { OUTRIDER_OUTBOUND_SERVICES: '15432=db.shop:5432, 10.0.0.1:0=cache:6379' },
  })
  t.same(outboundServices, [
    { listen: { host: '127.0.0.1', port: 15_432 }, service: { host: 'db.shop', port: 5432 } },
    { listen: { host: '10.0.0.1', port: 0 }, service: { host: 'cache', port: 6379 } },
  ])
  t.ok(Object.isFrozen(outboundServices) && Object.isFrozen(outboundServices[0]?.listen))
})

t.test('each wrong value is refused with its place, the value and what would be right', async (t) => {
  const cases: readonly [Partial<ConfigSources<typeof table>>, string, RegExp][] = [
    [
      { file: { drainTimeoutMs: '5 minutes' }, fileName: 'o.yaml' },
      'config-value-malformed',
      /^file o\.yaml, key drainTimeoutMs: "5 minutes" is not a duration such as 250ms/,
    ],
    [
      { env: { OUTRIDER_DRAIN_TIMEOUT_MS: '2h' } },
      'config-value-out-of-range',
      /^environment variable OUTRIDER_DRAIN_TIMEOUT_MS: "2h" is outside 1s \.\. 1h$/,
    ],
    [
      { flags: { 'drain-timeout-ms': '999ms' } },
      'config-value-out-of-range',
      /^flag --drain-timeout-ms: "999ms" is outside/,
    ],
    [{ env: { OUTRIDER_MAX_HEAD_BYTES: '' } }, 'config-value-malformed', /"" is not a whole number/],
    [{ env: { OUTRIDER_MAX_HEAD_BYTES: '1e2' } }, 'config-value-malformed', /"1e2" is not a whole number/],
    [{ env: { OUTRIDER_MAX_HEAD_BYTES: 'auto' } }, 'config-value-malformed', /"auto" is not a whole number/],
    [{ env: { OUTRIDER_WORKERS: 'many' } }, 'config-value-malformed', /"many" is not a whole number or auto/],
    [{ env: { OUTRIDER_WORKERS: '0' } }, 'config-value-out-of-range', /outside 1 \.\. 64/],
    [{ file: { maxHeadBytes: 10.5 } }, 'config-value-malformed', /10\.5 is not a whole number/],
    [{ file: { maxHeadBytes: 9 } }, 'config-value-out-of-range', /9 is outside 10 \.\. 1000/],
    [{ file: { strict: 'yes' } }, 'config-value-malformed', /"yes" is not true or false/],
    [{ file: { accessLog: 'ALL' } }, 'config-value-malformed', /"ALL" is not one of all, off/],
    [{ file: { admin: '0.0.0.0:1' } }, 'config-value-not-allowed', /no loopback address/],
    [{ file: { admin: '' } }, 'config-value-malformed', /empty: a value is needed/],
    [{ file: { admin: 15_400 } }, 'config-value-malformed', /not a text/],
    [{ file: { upstream: '127.0.0.1:0' } }, 'config-value-out-of-range', /without a port/],
    [{ file: { inbound: [1] } }, 'config-value-malformed', /not a list of texts LISTEN=/],
    [
      { file: { inbound: ['127.0.0.1:0=127.0.0.1:0'] } },
      'config-value-malformed',
      /is not a list of LISTEN=\[PROTOCOL.*: in "127.0.0.1:0=127.0.0.1:0" the port of the application is missing$/,
    ],
    [
      { file: { inbound: 'a:1=b:1, a:2=ftp://b:2' } },
      'config-value-malformed',
      /in "a:2=ftp:.*the protocol "ftp" is none/,
    ],
    [
      { file: { outboundServices: ['a:1=b'] } },
      'config-value-malformed',
      /LISTEN=SERVICE_HOST:PORT: in "a:1=b" "b" is/,
    ],
    [{ file: { inbound: ['a:1=a:1', 'a:1=a:1', 'a:1=a:1'] } }, 'config-value-out-of-range', /longer than 2/],
    [{ file: { name: 'UPPER' } }, 'config-value-malformed', /"UPPER" is not lower-case letters/],
    [{ file: { name: 'a\nb' } }, 'config-value-malformed', /not lower-case letters/],
    [{ file: { folder: 'a\0b' } }, 'config-value-malformed', /without NUL/],
    [{ file: { advertise: '0.0.0.0' } }, 'config-value-not-allowed', /no address that a peer could connect to/],
    [{ file: { advertise: 'a:80' } }, 'config-value-malformed', /IP address or a host name/],
    [{ file: ['x'] }, 'config-file-malformed', /must be one object/],
    [{ file: 'text' }, 'config-file-malformed', /must be one object/],
  ]
  for (const [sources, code, message] of cases) {
    const error = failure(sources)
    t.equal(error.code, code, JSON.stringify(sources))
    t.match(error.message, message)
  }
})

t.test('unknown names are refused with what was probably meant', async (t) => {
  t.match(failure({ file: { drainTimeout: 1 } }), {
    code: 'config-unknown-key',
    message: /key drainTimeout: is no option \(did you mean "drainTimeoutMs"\?\)/,
  })
  t.match(failure({ flags: { 'acess-log': 'all' } }), { code: 'config-unknown-key', place: 'flag --acess-log' })
  t.match(failure({ env: { OUTRIDER_ACCES_LOG: 'all' } }), {
    code: 'config-unknown-key',
    message: /did you mean "OUTRIDER_ACCESS_LOG"/,
  })
  t.match(failure({ file: JSON.parse('{"__proto__": 1, "constructor": 2}') }), { code: 'config-unknown-key' })
  t.ok(load({ env: { OUTRIDER_SERVICE_HOST: '10.0.0.1', OUTRIDER_PORT: 'tcp://10.0.0.1:80', PATH: '/bin' } }))
})

t.test('all problems are told at once', async (t) => {
  const error = failure({ file: { maxHeadBytes: 1, strict: 1 }, env: { OUTRIDER_ADMIN: 'x' } })
  t.match(error.message, /key maxHeadBytes.*; environment variable OUTRIDER_ADMIN.*; .*key strict/)
})

t.test('a secret comes from the environment alone and is never shown', async (t) => {
  const value = 'ort1.hidden'
  const config = load({ env: { OUTRIDER_JOIN_TOKEN: value } })
  t.equal(config.joinToken?.reveal(), value)
  const shown = [inspect(config, { depth: 9, showHidden: true }), JSON.stringify(config), String(config.joinToken)]
  for (const text of shown) t.notMatch(text, /hidden/)
  t.match(failure({ file: { joinToken: value } }), { code: 'config-secret-misplaced', message: /OUTRIDER_JOIN_TOKEN/ })
  t.notMatch(failure({ file: { joinToken: value } }).message, /hidden/)
  t.notMatch(failure({ env: { OUTRIDER_JOIN_TOKEN: `${value}\0` } }).message, /hidden/)
  t.match(failure({ flags: { 'join-token': value } }), { code: 'config-unknown-key' })
})
