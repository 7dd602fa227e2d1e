import { chmodSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadSidecarConfig } from '../../../src/config/sidecar.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { startSidecar } from '../../../src/sidecar/sidecar.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { temporaryFolder } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

async function warningsOf(flags: Readonly<Record<string, string>>): Promise<string[]> {
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  const env = { OUTRIDER_SIDECAR_ID: 'one' }
  const config = loadSidecarConfig({ env, flags: { admin: '127.0.0.1:0', ...flags } })
  const log = createLogger({ name: 'sidecar', level: 'info', clock: systemClock, sink })
  const { signal } = new AbortController()
  const starting = startSidecar({ config, clock: systemClock, random: () => 0.5, log, programVersion: '0', signal })
  // It goes no further than the join token that is not there, and leaves nothing open.
  await t.rejects(starting, { code: 'join-token-missing' })
  return lines.filter((line) => line.includes('weakens'))
}

t.test('that nothing is kept is said once, and a folder that others may enter ends the start', async (t) => {
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  const log = createLogger({ name: 'sidecar', level: 'info', clock: systemClock, sink })
  const { signal } = new AbortController()
  const start = (flags: Readonly<Record<string, string>>): Promise<unknown> => {
    const env = { OUTRIDER_SIDECAR_ID: 'one' }
    const config = loadSidecarConfig({ env, flags: { admin: '127.0.0.1:0', ...flags } })
    return startSidecar({ config, clock: systemClock, random: () => 0.5, log, programVersion: '0', signal })
  }
  await t.rejects(start({}), { code: 'join-token-missing' })
  t.equal(lines.filter((line) => line.includes('nothing is kept on disk')).length, 1)

  const folder = temporaryFolder(t)
  chmodSync(folder, 0o755)
  await t.rejects(start({ 'state-dir': folder }), { code: 'data-folder-not-private', place: folder })
  symlinkSync(folder, join(folder, 'link'))
  await t.rejects(start({ 'state-dir': join(folder, 'link') }), { code: 'data-folder-unusable' })
  const own = join(folder, 'own')
  for (const age of ['1h', '0']) {
    await t.rejects(start({ 'state-dir': own, 'last-good-max-age-ms': age }), { code: 'join-token-missing' })
  }
  t.equal(statSync(own).mode & 0o777, 0o700)
  t.same(readdirSync(own), ['lock'], 'and whoever comes next finds it free')
  t.equal(lines.filter((line) => line.includes('no policy is kept on disk')).length, 1)
})

t.test('an option that weakens the defaults is said at the start', async (t) => {
  t.same(await warningsOf({}), [])
  const [line = '', ...more] = await warningsOf({ 'underscores-in-headers': 'allow' })
  t.match(line, /"level":"warn".*"option":"underscoresInHeaders"/)
  t.same(more, [])
  const lines = await warningsOf({ inbound: '127.0.0.1:0=a:1,127.0.0.1:0=a:1?mode=permissive' })
  t.match(lines, [/"level":"warn".*"option":"inbound 127.0.0.1:0 mode=permissive"/])
})
