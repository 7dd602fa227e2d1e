import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Output } from '../../../src/cli/command.ts'
import { run } from '../../../src/cli/run.ts'
import { toPem } from '../../../src/identity/x509.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import { OwnBuckets } from '../../../src/ratelimit/buckets.ts'
import { adminPages } from '../../../src/sidecar/admin/pages.ts'
import { Snapshot } from '../../../src/sidecar/snapshot/snapshot.ts'
import { createAdminServer } from '../../../src/telemetry/admin-server.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { sidecarMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import { boundAddress } from '../../fixtures/app.ts'
import { makeTestCa, type TestCa, type TestLeaf } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import {
  openStream,
  service,
  startTestControl,
  temporaryFolder,
  type TestControl,
  workload,
} from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { credentialsOf, TRUST_DOMAIN } from '../../fixtures/sidecar.ts'

checkLeaks(t)

async function outrider(
  clock: Clock,
  ...argv: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const texts = { stdout: '', stderr: '' }
  const output = (name: 'stdout' | 'stderr'): Output => ({
    isTerminal: false,
    write: (text) => void (texts[name] += text),
  })
  const code = await run(argv, {
    env: {},
    stdin: (async function* () {})(),
    stdout: output('stdout'),
    stderr: output('stderr'),
    signal: new AbortController().signal,
    clock,
    random: () => 0.5,
  })
  return { code, ...texts }
}

/** The admin endpoint of a sidecar that has `leaf`, or nothing yet. */
async function sidecarAdmin(t: Test, ca: TestCa, leaf: TestLeaf | undefined, clock: TestClock): Promise<string> {
  const log = createLogger({ name: 'sidecar', level: 'error', clock, sink: { write: () => {} } })
  const registry = createMetrics(sidecarMetrics, clock)
  const credentials = leaf === undefined ? undefined : new WatchCell(credentialsOf(leaf, ca.bundles()))
  const pages = adminPages({
    log,
    registry,
    snapshot: new Snapshot(clock, new OwnBuckets(), registry.metrics, log),
    credentials: () => credentials,
    announceDrain: () => {},
    notReady: () => undefined,
    keySets: new WatchCell(new Map()),
    traffic: {
      connections: async () => [],
      tlsFailures: async () => [],
      metrics: async () => [],
      notLive: async () => undefined,
    },
  })
  const server = createAdminServer(pages, log)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    registry.destroy()
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${boundAddress(server).port}`
}

t.test('show and verify ask the sidecar', async (t) => {
  const clock = new TestClock(Date.now())
  const ca = makeTestCa(TRUST_DOMAIN)
  const leaf = ca.intermediate().issue('/ns/default/sa/web', { notAfterMs: clock.now() + 3_600_000 })
  const sidecar = await sidecarAdmin(t, ca, leaf, clock)
  const folder = temporaryFolder(t)
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }

  const shown = await outrider(clock, 'identity', 'show', '--sidecar', sidecar)
  t.equal(shown.code, 0, shown.stderr)
  t.match(shown.stdout, /^SPIFFE ID {2}spiffe:\/\/test\.local\/ns\/default\/sa\/web$/m)
  t.match(shown.stdout, /, ends in (?:59|60)m$/m)
  t.match(shown.stdout, /^chain {6}[0-9a-f]{64}\n {11}[0-9a-f]{64}$/m)
  t.match(shown.stdout, /^test\.local +1 +[0-9a-f]{16} +\d+d +ours$/m)
  t.notMatch(shown.stdout, /PRIVATE/)
  clock.advance(2 * 3_600_000)
  t.match((await outrider(clock, 'identity', 'show', '--sidecar', sidecar)).stdout, /ends EXPIRED 60m ago/)

  const good = file('good.pem', ca.issue('/ns/default/sa/db', { notAfterMs: clock.now() + 3_600_000 }).chainPem)
  const verified = await outrider(clock, 'identity', 'verify', good, '--sidecar', sidecar)
  t.equal(verified.code, 0, verified.stderr)
  t.match(
    verified.stdout,
    /^spiffe:\/\/test\.local\/ns\/default\/sa\/db\nuntil .*, in (?:59|60)m, under the root [0-9a-f]{64}$/m,
  )

  const other = makeTestCa(TRUST_DOMAIN)
  const stranger = file('stranger.pem', other.issue('/ns/default/sa/db').chainPem)
  const refused = await outrider(clock, 'identity', 'verify', stranger, '--sidecar', sidecar)
  t.equal(refused.code, 3)
  t.match(refused.stdout, /^refused \((?:signature-invalid|key-id-mismatch|root-unknown)\): /)
  const json = await outrider(
    clock,
    'identity',
    'verify',
    stranger,
    '--bundle',
    file('roots.pem', toPem([other.der])),
    '-o',
    'json',
  )
  t.match(JSON.parse(json.stdout), { verified: true, spiffeId: 'spiffe://test.local/ns/default/sa/db' })
  t.match(await outrider(clock, 'identity', 'verify', file('none.pem', 'x'), '--sidecar', sidecar), {
    code: 2,
    stderr: /none\.pem cannot be read: is not a PEM text/,
  })
})

t.test('a sidecar that is not there, or has nothing to show', async (t) => {
  const clock = new TestClock(Date.now())
  const sidecar = await sidecarAdmin(t, makeTestCa(TRUST_DOMAIN), undefined, clock)
  t.match(await outrider(clock, 'identity', 'show', '--sidecar', sidecar), { code: 1, stderr: /there is no SVID yet/ })
  const gone = createServer()
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
  const { port } = boundAddress(gone)
  await new Promise((resolve) => gone.close(resolve))
  t.match(await outrider(clock, 'identity', 'show', '--sidecar', `127.0.0.1:${port}`), {
    code: 5,
    stderr: /no sidecar answers at 127\.0\.0\.1:\d+: .*ECONNREFUSED/,
  })
  for (const words of [[], ['show', 'x'], ['verify'], ['who-serves'], ['expiring', 'x'], ['forge']])
    t.equal((await outrider(clock, 'identity', ...words)).code, 2, words.join(' '))
})

/** A control server with `web`, which serves `shop` and has a sidecar, and `db`, which has none. */
async function mesh(t: Test): Promise<TestControl> {
  const control = await startTestControl(t)
  await control.apply(workload('web'), workload('db'), service('shop', { workloads: ['web', 'db'] }))
  const sidecar = await control.join('web')
  const stream = openStream(sidecar)
  const svidAuthority = Buffer.from(sidecar.svid.current!.authorityFingerprint, 'hex')
  const at = { seconds: Math.round(control.clock.now() / 1000) + 30 }
  stream.call.send({ trustReport: { svidAuthority, bundles: [], at } })
  stream.ack(await stream.next())
  while ((await control.admin.listSidecars({})).sidecars[0]?.state !== 'STATE_SYNCED') await new Promise(setImmediate)
  t.teardown(() => stream.call.cancel())
  return control
}

t.test('who serves a service, and what expires', async (t) => {
  const control = await mesh(t)
  const ask = (...words: string[]): ReturnType<typeof outrider> =>
    outrider(control.clock, 'identity', ...words, '--socket', control.server.adminSocket)
  const who = await ask('who-serves', 'shop')
  t.equal(who.code, 0, who.stderr)
  t.match(who.stdout, /^default\/web +spiffe:\/\/test\.local\/ns\/default\/sa\/web +one +synced +2[34]h +-$/m)
  t.match(who.stdout, /^default\/db +spiffe:\/\/test\.local\/ns\/default\/sa\/db +- +no sidecar +- +-$/m)
  t.match(await ask('who-serves', 'nothing'), { code: 4 })
  t.match(await ask('expiring'), { code: 0, stdout: 'nothing ends within 1h\n' })
  t.match(
    (await ask('expiring', '--within', '25h')).stdout,
    /^2[34]h +SVID +spiffe:\/\/test\.local\/ns\/default\/sa\/web one$/m,
  )
  t.match((await ask('expiring', '--within', '366d')).stdout, /^\d+d +signer +[0-9a-f]{16}$/m)
})

t.test('check finds what will hurt', async (t) => {
  const control = await mesh(t)
  const ask = (...words: string[]): ReturnType<typeof outrider> =>
    outrider(control.clock, 'check', ...words, '--socket', control.server.adminSocket)
  const found = await ask()
  t.equal(found.code, 1, 'a clock is too far off')
  t.match(found.stdout, /^admin socket +ok +.* has mode 600, owner \d+$/m)
  t.match(found.stdout, /^root [0-9a-f]{16} +ok +ends in \d+d$/m)
  t.match(found.stdout, /^trust bundles +warning +spiffe:.* one do not believe bundle 1 yet$/m)
  t.match(found.stdout, /^clocks +failed +one is (?:29|30|31) s ahead$/m)
  t.match(found.stdout, /^SVIDs +ok +the one sidecar renewed in time$/m)
  t.match(found.stdout, /^policy +ok /m)
  control.clock.advance(20 * 3_600_000)
  t.match((await ask()).stdout, /^SVIDs +failed +one has [34]h left$/m)
})
