import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type AuditLog, openAuditLog } from '../../../src/telemetry/audit.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { temporaryFolder } from '../../fixtures/control.ts'

interface Bench {
  readonly path: string
  readonly clock: TestClock
  readonly audit: AuditLog
  readonly lines: (path?: string) => readonly Readonly<Record<string, unknown>>[]
}

function unexpected(error: unknown): void {
  throw error
}

function bench(t: Test): Bench {
  const path = join(temporaryFolder(t), 'audit.log')
  const clock = new TestClock()
  const audit = openAuditLog(path, clock, unexpected)
  t.teardown(() => audit.close())
  return {
    path,
    clock,
    audit,
    lines: (file = path) => {
      const text = readFileSync(file, 'utf8')
      t.ok(text === '' || text.endsWith('\n'))
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
    },
  }
}

t.test('one line per event, for the owner alone, appended', async (t) => {
  const { audit, path, lines, clock } = bench(t)
  audit.record({ event: 'certificate-issued', how: 'attest', source: 'x', serial: '0a' })
  t.equal(statSync(path).mode & 0o777, 0o600)
  const again = openAuditLog(path, clock, unexpected)
  again.record({ event: 'token-revoked', tokenId: 'a\nb' })
  again.close()
  t.strictSame(lines(), [
    { time: '2026-01-01T00:00:00.000Z', event: 'certificate-issued', how: 'attest', source: 'x', serial: '0a' },
    { time: '2026-01-01T00:00:00.000Z', event: 'token-revoked', tokenId: 'a\nb' },
  ])
})

t.test('texts of strangers are cut', async (t) => {
  const { audit, lines } = bench(t)
  audit.record({ event: 'certificate-refused', message: 'x'.repeat(10_000) })
  t.equal(String(lines()[0]?.['message']).length, 2051)
})

t.test('refusals cannot fill the disk, and are counted', async (t) => {
  const { audit, lines, clock } = bench(t)
  for (let count = 0; count < 5000; count += 1) audit.recordRefusal({ event: 'certificate-refused' })
  t.equal(lines().length, 1000)
  audit.record({ event: 'certificate-issued' })
  t.match(lines().at(-1), { event: 'certificate-issued', omitted: 4000 })
  clock.advance(1000)
  for (let count = 0; count < 100; count += 1) audit.recordRefusal({ event: 'certificate-refused' })
  t.equal(lines().length, 1051)
  audit.record({ event: 'certificate-issued' })
  t.match(lines().at(-1), { omitted: 50 })
})

t.test('a file that was moved away is begun anew', async (t) => {
  const { audit, path, lines, clock } = bench(t)
  audit.record({ event: 'token-created' })
  renameSync(path, `${path}.1`)
  clock.advance(1000)
  audit.record({ event: 'token-revoked' })
  t.match(lines(), [{ event: 'token-revoked' }])
  t.match(lines(`${path}.1`), [{ event: 'token-created' }])
  rmSync(path)
  clock.advance(1000)
  audit.record({ event: 'token-revoked' })
  t.ok(existsSync(path))
})

t.test('what cannot be written is an error', async (t) => {
  const { audit, path, clock } = bench(t)
  rmSync(path)
  mkdirSync(path)
  clock.advance(1000)
  t.throws(() => audit.record({ event: 'certificate-issued' }), { code: 'audit-unwritable', retryable: true })
  t.throws(() => audit.record({ event: 'certificate-issued' }), { code: 'audit-unwritable' }, 'until it can be again')
  rmSync(path, { recursive: true })
  audit.record({ event: 'certificate-issued' })
  t.throws(() => openAuditLog(join(path, 'below'), clock, unexpected), {
    code: 'audit-unwritable',
    place: 'auditLogPath',
  })
  chmodSync(path, 0o600)
})

t.test('a full disk', { skip: !existsSync('/dev/full') && 'no /dev/full' }, async (t) => {
  const lost: unknown[] = []
  const audit = openAuditLog('/dev/full', new TestClock(), (error) => lost.push(error))
  t.throws(() => audit.record({ event: 'certificate-issued' }), { code: 'audit-unwritable', message: /ENOSPC/ })
  audit.recordRefusal({ event: 'certificate-refused', reason: 'join-token-refused' })
  t.match(lost, [{ code: 'audit-unwritable' }], 'who is refused still hears why')
  audit.close()
})
