import t from 'tap'
import { controlOptions, loadControlConfig } from '../../../src/config/control.ts'
import { parseDuration } from '../../../src/lib/duration.ts'
import { nearest } from '../../../src/lib/nearest.ts'
import { flagOf, type OptionTable, variableOf } from '../../../src/config/option.ts'
import { loadSidecarConfig, sidecarOptions } from '../../../src/config/sidecar.ts'
import { weakenedBy } from '../../../src/config/weakened.ts'

const tables: Readonly<Record<string, OptionTable>> = { sidecarOptions, controlOptions }

for (const [tableName, table] of Object.entries(tables)) {
  t.test(`${tableName}: every option is well formed`, async (t) => {
    for (const [name, option] of Object.entries(table)) {
      t.match(name, /^[a-z][A-Za-z0-9]*$/)
      t.match(option.doc, /\.$/, `${name} is described in sentences`)
      t.equal(option.type === 'duration', name.endsWith('Ms'), `${name}: the name carries the unit`)
      if (option.type === 'integer' && option.unit === 'bytes') t.match(name, /Bytes$/)
      if (option.type !== 'duration') continue
      const [min, max] = [option.min === '0' ? 0 : parseDuration(option.min), parseDuration(option.max)]
      t.ok(min !== undefined && max !== undefined && min < max, `${name} has a range`)
    }
  })
}

t.test('the defaults of the sidecar are a configuration', async (t) => {
  const config = loadSidecarConfig({ env: {}, flags: {}, defaults: { sidecarId: 'host-1' } })
  t.match(config, { sidecarId: 'host-1', drainTimeoutMs: 30_000, upstreamIdleTimeoutMs: 270_000, accessLog: 'denials' })
  t.throws(
    () => loadSidecarConfig({ env: {}, flags: {} }),
    { code: 'config-value-malformed' },
    'the caller gives an id',
  )
})

t.test('the defaults of the control server are a configuration', async (t) => {
  const config = loadControlConfig({ env: {}, flags: {} })
  t.match(config, { data: '/var/lib/outrider', svidTtlMs: 86_400_000, adminSocket: undefined })
})

t.test('options that contradict each other', async (t) => {
  const defaults = { sidecarId: 'x' }
  const disagree = { code: 'config-options-disagree' }
  t.throws(
    () =>
      loadSidecarConfig({
        env: {},
        flags: { 'connection-window-bytes': '65536', 'stream-window-bytes': '65537' },
        defaults,
      }),
    disagree,
  )
  const idle = { 'upstream-idle-timeout-ms': '1h' }
  t.throws(() => loadSidecarConfig({ env: {}, flags: idle, defaults }), disagree)
  const env = { OUTRIDER_JOIN_TOKEN: 'a', OUTRIDER_JOIN_TOKEN_FILE: 'b' }
  t.throws(() => loadSidecarConfig({ env, flags: {}, defaults }), disagree)
  const files = { 'identity-certificate': 'a', 'identity-key': 'b', 'identity-bundle': 'c' }
  for (const flags of [
    { 'identity-source': 'workload-api' },
    { 'identity-source': 'workload-api', 'spiffe-endpoint-socket': 'unix:///a/b', 'workload-api-socket': '/a/b' },
    { 'identity-source': 'files', 'identity-certificate': 'a', 'identity-key': 'b' },
    files,
  ]) {
    t.throws(() => loadSidecarConfig({ env: {}, flags, defaults }), disagree, JSON.stringify(flags))
  }
  t.ok(loadSidecarConfig({ env: {}, flags: { ...files, 'identity-source': 'files' }, defaults }))
  t.throws(() => loadControlConfig({ env: {}, flags: { 'debounce-ms': '20s' } }), disagree)
  const web = { 'bundle-endpoint': '0.0.0.0:8443', 'bundle-endpoint-profile': 'https_web' }
  const certificate = { 'bundle-endpoint-certificate-file': 'c.pem', 'bundle-endpoint-key-file': 'c.key' }
  t.doesNotThrow(() => loadControlConfig({ env: {}, flags: { ...web, ...certificate } }))
  for (const flags of [
    web,
    { ...web, 'bundle-endpoint-key-file': 'c.key' },
    { ...web, ...certificate, 'bundle-endpoint-profile': 'https_spiffe' },
    certificate,
  ])
    t.throws(() => loadControlConfig({ env: {}, flags }), disagree)
})

t.test('no variable of one process is taken for a slip in one of another', async (t) => {
  const variables = [...new Set(Object.values(tables).flatMap((table) => Object.keys(table).map(variableOf)))]
  const foreign = [...variables, 'OUTRIDER_ADMIN_SOCKET', 'OUTRIDER_VECTORS', 'OUTRIDER_PORT', 'OUTRIDER_SERVICE_PORT']
  for (const table of Object.values(tables)) {
    const own = Object.keys(table).map(variableOf)
    for (const variable of foreign) {
      if (!own.includes(variable)) t.equal(nearest(variable, own, 2), undefined, variable)
    }
  }
})

t.test('flags and variables follow from the name', async (t) => {
  t.equal(flagOf('drainTimeoutMs'), 'drain-timeout-ms')
  t.equal(variableOf('drainTimeoutMs'), 'OUTRIDER_DRAIN_TIMEOUT_MS')
})

t.test('what weakens the mesh is known', async (t) => {
  const sources = { env: {}, defaults: { sidecarId: 'x' } }
  t.same(weakenedBy(sidecarOptions, loadSidecarConfig({ ...sources, flags: {} })), [])
  const flags = { 'underscores-in-headers': 'allow' }
  t.same(weakenedBy(sidecarOptions, loadSidecarConfig({ ...sources, flags })), ['underscoresInHeaders'])
  const inbound = ['0.0.0.0:1=a:1', '0.0.0.0:2=tcp://a:2?mode=permissive', '[::1]:3=a:3?mode=plaintext&normalise=base']
  t.same(weakenedBy(sidecarOptions, loadSidecarConfig({ ...sources, flags: { inbound } })), [
    'inbound 0.0.0.0:2 mode=permissive',
    'inbound [::1]:3 mode=plaintext',
    'inbound [::1]:3 normalise=base',
  ])
})

t.test('keys of a cluster are nothing without an issuer, and the other way round', async (t) => {
  const flags = { kubernetes: 'jwks', 'kubernetes-jwks': '/keys.json', 'kubernetes-issuer': 'https://cluster.example' }
  t.equal(loadControlConfig({ env: {}, flags }).kubernetesJwks, '/keys.json')
  for (const missing of ['kubernetes-jwks', 'kubernetes-issuer']) {
    t.throws(() => loadControlConfig({ env: {}, flags: { ...flags, [missing]: '' } }), {
      code: 'config-options-disagree',
      place: 'kubernetes',
    })
  }
})

t.test('where identity providers may be', async (t) => {
  const defaults = { sidecarId: 'host-1' }
  const load = (flags: Readonly<Record<string, string>>) => loadSidecarConfig({ env: {}, flags, defaults })
  t.equal(load({ 'token-provider-allow': 'id.internal,10.0.0.0/8' }).tokenProviderAllow, 'id.internal,10.0.0.0/8')
  for (const text of ['10.0.0.0/33', 'a b', '::/129', ',']) {
    t.throws(() => load({ 'token-provider-allow': text }), { code: 'config-value-malformed' }, text)
  }
  t.equal(
    load({ 'dpop-origins': 'https://a.test,https://[::1]:8443' }).dpopOrigins,
    'https://a.test,https://[::1]:8443',
  )
  for (const text of ['a.test', 'https://a.test/', 'https://a.test/x', 'https://A.test', 'ftp://a.test', 'https://a:b'])
    t.throws(() => load({ 'dpop-origins': text }), { code: 'config-value-malformed' }, text)
})
