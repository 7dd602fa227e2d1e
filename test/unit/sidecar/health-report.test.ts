import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { HealthReporter, healthOf } from '../../../src/sidecar/health-report.ts'
import { sidecarMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import type { HealthReport } from '../../../src/wire/outrider/policy/v1/HealthReport.ts'
import { TestClock } from '../../fixtures/clock.ts'

const SERIES = {
  reporter: 'inbound',
  source_principal: 'anonymous',
  destination_service: 'orders',
  connection_security_policy: 'mutual_tls',
} as const

t.test('requests are told apart by who answered them', async (t) => {
  const registry = createMetrics(sidecarMetrics, new TestClock())
  t.teardown(() => registry.destroy())
  const count = (response_code: string, refusal: string, times: number): void =>
    registry.metrics.requests.with({ ...SERIES, response_code, refusal }).inc(times)
  count('200', 'none', 100)
  count('403', 'none', 7)
  count('503', 'none', 5)
  count('403', 'no-allow-rule', 11)
  count('429', 'rate-limited', 2)
  count('404', 'service-unknown', 1)
  count('503', 'no-endpoint', 3)
  count('0', 'none', 1)
  registry.metrics.connectionsRefused.with({ listener: 'inbound', reason: 'no-allow-rule' }).inc(4)
  registry.metrics.connectionsRefused.with({ listener: 'inbound', reason: 'too-many-connections' }).inc(9)
  t.same(healthOf(registry.snapshot()), { requests: 134, denied: 17, appErrors: 5, ownErrors: 3 })
})

t.test('reports are sent while they are asked for', async (t) => {
  const clock = new TestClock()
  const registry = createMetrics(sidecarMetrics, clock)
  t.teardown(() => registry.destroy())
  const sent: HealthReport[] = []
  const failures: unknown[] = []
  let fails = false
  const reporter = new HealthReporter({
    counted: async () => {
      if (fails) throw new Error('a thread does not answer')
      return [registry.snapshot(), registry.snapshot()]
    },
    revision: () => 7,
    send: (report) => void sent.push(report),
    clock,
    onFailed: (thrown) => void failures.push(thrown),
  })
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await turn()
  }
  await pass(60_000)
  t.same(sent, [])
  registry.metrics.requests.with({ ...SERIES, response_code: '200', refusal: 'none' }).inc(3)
  reporter.every(1000)
  await turn()
  t.same(sent, [{ revision: 7, requests: 6, denied: 0, appErrors: 0, ownErrors: 0 }], 'at once, of all threads')
  reporter.every(1000)
  await pass(1000)
  t.equal(sent.length, 2, 'asked again for the same, it goes on')
  fails = true
  await pass(1000)
  t.match(failures, [{ message: 'a thread does not answer' }])
  fails = false
  await pass(1000)
  t.equal(sent.length, 3, 'and goes on after a failure')
  reporter.every(1)
  await turn()
  await pass(249)
  t.equal(sent.length, 4, 'never more often than four times a second')
  reporter.every(0)
  reporter.every(1000)
  await turn()
  t.equal(sent.length, 5)
  await pass(1000)
  t.equal(sent.length, 6, 'begun anew while a report was being made, it is still one at a time')
  reporter.every(2000)
  reporter.every(0)
  await pass(60_000)
  t.equal(sent.length, 6, 'what was begun before the end is not sent after it')
  t.equal(clock.pending, 0)
})
