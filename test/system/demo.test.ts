import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkLeaks } from '../fixtures/leaks.ts'
import { isRunning, launcher, outrider, type Program, startProgram, until } from '../fixtures/process.ts'

checkLeaks(t)

/** A folder for what the demo makes. Short: the path of a Unix socket may have 107 bytes. */
function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'ort-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** The processes that `pid` has started. */
function childrenOf(pid: number): number[] {
  return globSync(`/proc/${pid}/task/*/children`).flatMap((file) =>
    readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number),
  )
}

async function startDemo(t: Test, env: Readonly<Record<string, string>>): Promise<Program> {
  const demo = startProgram(t, process.execPath, [launcher, 'demo'], { env })
  await demo.line(/^Ctrl-C ends everything/)
  return demo
}

t.test('the whole scenario, once', async (t) => {
  const TMPDIR = folder(t)
  const { code, stdout, stderr } = await outrider(t, ['demo', '--once', '--json'], { env: { TMPDIR } })
  t.equal(code, 0, stderr)
  t.comment(`demo: ${stdout.trim()}`)
  const report: Readonly<Record<string, unknown>> = JSON.parse(stdout)
  t.match(report, {
    allowed: 200,
    denied: 403,
    limited: 429,
    retryAfter: Number,
    intruder: 'refused',
    policyChangeMs: Number,
    rotation: { requests: Number, failed: 0 },
    controlDown: { requests: Number, failed: 0 },
  })
  const keys = ['allowed', 'denied', 'limited', 'retryAfter', 'intruder', 'policyChangeMs', 'rotation', 'controlDown']
  t.same(Object.keys(report), keys)
  for (const name of ['rotation', 'controlDown']) t.same(Object.keys(Object(report[name])), ['requests', 'failed'])
  t.same(readdirSync(TMPDIR), [], 'no folder is left')
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(`${signal} ends every process of the demo and leaves no folder`, async (t) => {
    const TMPDIR = folder(t)
    const demo = await startDemo(t, { TMPDIR })
    t.match(demo.stdout, /^allowed .* 200 [\s\S]*^denied .* 403 [\s\S]*^limited .* 429 [\s\S]*^intruder .* refused: /m)
    const children = childrenOf(demo.pid)
    t.equal(children.length, 3, 'a control server and two sidecars')
    t.equal(readdirSync(TMPDIR).length, 1)
    t.match(await demo.stop(signal), { code: 0, signal: null, stderr: '' })
    await until('all have ended', () => !children.some(isRunning), 5000)
    t.same(readdirSync(TMPDIR), [])
  })
}

t.test('the scenario can be stopped', async (t) => {
  const TMPDIR = folder(t)
  const demo = startProgram(t, process.execPath, [launcher, 'demo', '--once'], { env: { TMPDIR } })
  await demo.line(/^policy /)
  const children = childrenOf(demo.pid)
  t.match(await demo.stop('SIGINT'), { code: 130, signal: null, stderr: '' })
  await until('all have ended', () => !children.some(isRunning), 5000)
  t.same(readdirSync(TMPDIR), [])
})

t.test('Ctrl-C in a terminal reaches every process at once, and all the same nothing is left', async (t) => {
  const TMPDIR = folder(t)
  const demo = await startDemo(t, { TMPDIR })
  const children = childrenOf(demo.pid)
  for (const pid of children) process.kill(pid, 'SIGINT')
  t.match(await demo.stop('SIGINT'), { code: 0, stderr: '' })
  await until('all have ended', () => !children.some(isRunning), 5000)
  t.same(readdirSync(TMPDIR), [])
})
