import t, { type Test } from 'tap'
import { type TlsFailure, TlsFailures } from '../../../src/sidecar/tls-failures.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { sidecarMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { type Fields, sumOf } from '../../fixtures/sidecar.ts'

checkLeaks(t)

class Bench {
  readonly clock = new TestClock()
  readonly lines: Fields[] = []
  readonly registry = createMetrics(sidecarMetrics, this.clock)
  readonly failures: TlsFailures

  constructor(t: Test) {
    t.teardown(() => this.registry.destroy())
    const sink = { write: (line: string): void => void this.lines.push(JSON.parse(line)) }
    const log = createLogger({ name: 'sidecar', level: 'info', clock: this.clock, sink })
    this.failures = new TlsFailures(this.registry.metrics, log, this.clock)
  }

  report(failure: Partial<TlsFailure> = {}): void {
    this.failures.report(
      { listener: 'inbound', remote: '10.0.0.1:4711', reason: 'expired', detail: 'long ago', ...failure },
      'peer refused',
    )
  }

  async counted(reason: string): Promise<number> {
    return sumOf(await this.registry.expose(), 'outrider_tls_handshake_failures_total', { reason })
  }
}

t.test('a flood of one kind does not fill the log, and is counted in full', async (t) => {
  const bench = new Bench(t)
  for (let port = 1; port <= 1000; port += 1) bench.report({ remote: `10.0.0.1:${port}` })
  t.equal(bench.lines.length, 5)
  t.match(bench.lines[0], { remote: '10.0.0.1:1', reason: 'expired', detail: 'long ago', message: 'peer refused' })
  t.equal(await bench.counted('expired'), 1000)
  bench.report({ reason: 'no-certificate' })
  bench.report({ remote: '10.0.0.2:1' })
  t.equal(bench.lines.length, 7, 'another reason and another peer are heard')
  bench.clock.advance(10_000)
  t.match(bench.lines.slice(7), [
    { from: '10.0.0.1', reason: 'expired', suppressed: 995, message: 'more TLS failures of this kind, not logged' },
  ])
  bench.report()
  t.equal(bench.lines.length, 9, 'heard again')
  bench.clock.advance(60_000)
  t.equal(bench.clock.pending, 0, 'without failures nothing runs')
})

t.test('so does a flood from everywhere', async (t) => {
  const bench = new Bench(t)
  for (let index = 0; index < 5000; index += 1) bench.report({ remote: `[2001:db8::${index.toString(16)}]:443` })
  t.ok(bench.lines.length <= 64 + 5, `${bench.lines.length} lines`)
  bench.failures.close()
  t.match(bench.lines.at(-1), { from: 'others', suppressed: 5000 - 64 - 5 })
  t.equal(bench.clock.pending, 0)
  t.equal(await bench.counted('expired'), 5000)
})

t.test('the last ones are kept', async (t) => {
  const bench = new Bench(t)
  for (let index = 0; index < 100; index += 1) bench.report({ detail: `failure ${index}` })
  const kept = bench.failures.list()
  t.equal(kept.length, 64)
  t.match(kept[0], { detail: 'failure 99', atMs: bench.clock.now() })
  t.equal(kept.at(-1)?.detail, 'failure 36')
  bench.failures.close()
})
