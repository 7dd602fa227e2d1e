import t, { type Test } from 'tap'
import { run } from '../../../src/cli/run.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import { adminPages } from '../../../src/sidecar/admin/pages.ts'
import { takeLastGood, takeUpdate } from '../../../src/sidecar/snapshot/path.ts'
import { Snapshot } from '../../../src/sidecar/snapshot/snapshot.ts'
import { OwnBuckets } from '../../../src/ratelimit/buckets.ts'
import { createAdminServer } from '../../../src/telemetry/admin-server.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { sidecarMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import { boundAddress } from '../../fixtures/app.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, update, workloadOf } from '../../fixtures/sidecar.ts'

checkLeaks(t)

const HOUR_MS = 3_600_000

async function sidecarAt(t: Test, clock: TestClock): Promise<{ snapshot: Snapshot; status: () => Promise<string> }> {
  const log = createLogger({ name: 'sidecar', level: 'error', clock, sink: { write: () => {} } })
  const registry = createMetrics(sidecarMetrics, clock)
  const snapshot = new Snapshot(clock, new OwnBuckets(), registry.metrics, log)
  const pages = adminPages({
    log,
    registry,
    snapshot,
    credentials: () => undefined,
    announceDrain: () => {},
    notReady: () => (snapshot.revision === 0 ? 'no policy yet' : undefined),
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
    server.closeAllConnections()
    server.close()
    registry.destroy()
  })
  const admin = `127.0.0.1:${boundAddress(server).port}`
  const status = async (): Promise<string> => {
    const { code, stdout, stderr } = await outrider(clock, 'sidecar', 'status', '--admin', admin)
    if (code !== 0) throw new Error(stderr)
    return stdout
  }
  return { snapshot, status }
}

async function outrider(
  clock: TestClock,
  ...argv: readonly string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const texts = { stdout: '', stderr: '' }
  const code = await run(argv, {
    env: {},
    stdin: (async function* () {})(),
    stdout: { isTerminal: false, write: (text) => void (texts.stdout += text) },
    stderr: { isTerminal: false, write: (text) => void (texts.stderr += text) },
    signal: new AbortController().signal,
    clock,
    random: () => 0.5,
  })
  return { code, ...texts }
}

t.test('it says what is in force, from where, how old that is and until when it lasts', async (t) => {
  const clock = new TestClock(Date.UTC(2026, 0, 2, 12))
  const { snapshot, status } = await sidecarAt(t, clock)
  t.match(await status(), /^state: not ready: no policy yet\ncontrol server: away\nsource: none\nrevision: 0\n/)
  const origin = {
    source: 'last-good',
    syncedAtMs: clock.now() - 2 * HOUR_MS - 13 * 60_000,
    maxAgeMs: 24 * HOUR_MS,
  } as const
  takeLastGood(update(4, [workloadOf('api'), allow('all')]), snapshot, origin)
  t.equal(
    await status(),
    'state: ready\ncontrol server: away\nsource: last-good, age 2h13m, until 2026-01-03 09:47:00Z\nrevision: 4\nresources: 2\n',
  )
  takeUpdate(update(5, [allow('more')]), snapshot)
  t.equal(
    await status(),
    'state: ready\ncontrol server: connected\nsource: control, age 0s\nrevision: 5\nresources: 3\n',
  )
  snapshot.outOfStep()
  for (const [ms, age] of [
    [59_000, '59s'],
    [60_000, '1m59s'],
    [3_600_000, '1h1m'],
    [86_400_000, '1d1h'],
  ] as const) {
    clock.advance(ms)
    t.match(await status(), `control server: away\nsource: control, age ${age}\n`)
  }
})

t.test('other words, and a sidecar that is not there, are errors', async (t) => {
  const clock = new TestClock()
  t.match(await outrider(clock, 'sidecar', 'restart'), { code: 2, stderr: /usage-arguments/ })
  t.match(await outrider(clock, 'sidecar', 'status', 'more'), { code: 2, stderr: /usage-arguments/ })
  t.match(await outrider(clock, 'sidecar', 'status', '--admin', '127.0.0.1:1'), {
    code: 5,
    stderr: /sidecar-unreachable/,
  })
})
