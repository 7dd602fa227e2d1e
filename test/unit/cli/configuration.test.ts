import { hostname } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { configOptions, configSources } from '../../../src/cli/configuration.ts'
import { controlOptions, loadControlConfig } from '../../../src/config/control.ts'
import { loadSidecarConfig, sidecarOptions } from '../../../src/config/sidecar.ts'

t.test('every option but a secret is a flag', async (t) => {
  const flags = configOptions(sidecarOptions)
  t.match(flags['drain-timeout-ms'], {
    type: 'string',
    value: 'DURATION',
    doc: /default 30s; 0 \.\. 1h; OUTRIDER_DRAIN_/,
  })
  t.match(flags['inbound'], { multiple: true })
  t.notHas(flags, { 'join-token': {} })
  t.ok('config' in flags && 'join-token-file' in flags)
})

t.test('values come from flags, the environment and the file', async (t) => {
  const folder = t.testdir({ 'control.yaml': 'svidTtlMs: 2h\ndebounceMs: 50\nlogLevel: warn\n', 'empty.yaml': '' })
  const config = join(folder, 'control.yaml')
  const env = { OUTRIDER_LOG_LEVEL: 'debug' }
  const sources = await configSources({ env, options: { config, 'svid-ttl-ms': '1h', data: undefined } })
  t.match(loadControlConfig(sources), { svidTtlMs: 3_600_000, debounceMs: 50, logLevel: 'debug' })
  const empty = await configSources({ env: {}, options: { config: join(folder, 'empty.yaml') } })
  t.match(loadControlConfig(empty), { svidTtlMs: 86_400_000 })
  t.ok(Object.keys(configOptions(controlOptions)).length > 5)
  t.equal(loadSidecarConfig(await configSources({ env: {}, options: {} })).sidecarId, hostname())
})

t.test('a file that cannot be used is told with its place', async (t) => {
  const folder = t.testdir({ 'bad.yaml': 'a: [1\nb: 2\n', 'two.yaml': 'logLevel: info\n---\nlogLevel: warn\n' })
  const read = (name: string) => configSources({ env: {}, options: { config: join(folder, name) } })
  await t.rejects(read('missing.yaml'), { code: 'config-file-unreadable' })
  await t.rejects(read('bad.yaml'), { code: 'config-file-malformed', message: /bad\.yaml:\d+:\d+: / })
  await t.rejects(read('two.yaml'), { code: 'config-file-malformed', message: /2 documents/ })
})
