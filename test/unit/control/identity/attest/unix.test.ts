import { hash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { unixAttestor } from '../../../../../src/control/identity/attest/unix.ts'
import { parseSpiffeId } from '../../../../../src/identity/spiffe-id.ts'
import { temporaryFolder } from '../../../../fixtures/control.ts'

const request = { csr: Buffer.alloc(0), wanted: parseSpiffeId('spiffe://a/b'), nowMs: 0 }
const uid = process.getuid?.() ?? 0
const gid = process.getgid?.() ?? 0

/** A folder that looks like /proc with one process. */
function procWith(t: Test, pid: number, stat: string): { proc: string; program: string } {
  const proc = temporaryFolder(t)
  const program = join(proc, 'program')
  writeFileSync(program, 'the program')
  mkdirSync(join(proc, String(pid)))
  writeFileSync(join(proc, String(pid), 'stat'), stat)
  symlinkSync(program, join(proc, String(pid), 'exe'))
  return { proc, program }
}

const STAT = `7 (a) b) S ${Array.from({ length: 40 }, (_, index) => index).join(' ')}\n`

t.test('this very process', { skip: process.platform !== 'linux' && 'no /proc' }, async (t) => {
  const attestation = await unixAttestor().attest({ kind: 'unix', peer: { uid, gid, pid: process.pid } }, request)
  const digest = hash('sha256', readFileSync(process.execPath), 'hex')
  t.strictSame(attestation, {
    source: `unix:${uid}/${digest.slice(0, 16)}`,
    selectors: new Set([
      `unix:uid:${uid}`,
      `unix:gid:${gid}`,
      `unix:sha256:${digest}`,
      `unix:path:${process.execPath}`,
    ]),
  })
})

t.test('the program is hashed once for as long as it does not change', async (t) => {
  const { proc, program } = procWith(t, 7, STAT)
  const attestor = unixAttestor(proc)
  const selectors = async (): Promise<ReadonlySet<string>> =>
    (await attestor.attest({ kind: 'unix', peer: { uid, gid, pid: 7 } }, request)).selectors
  t.ok((await selectors()).has(`unix:sha256:${hash('sha256', 'the program', 'hex')}`))
  writeFileSync(program, 'another program')
  t.ok((await selectors()).has(`unix:sha256:${hash('sha256', 'another program', 'hex')}`))
})

t.test('a process that is gone, or of another user, is refused', async (t) => {
  const { proc } = procWith(t, 7, STAT)
  const attestor = unixAttestor(proc)
  const attest = async (peer: { uid: number; pid: number }): Promise<unknown> =>
    attestor.attest({ kind: 'unix', peer: { gid, ...peer } }, request)
  await t.rejects(attest({ uid, pid: 8 }), { code: 'attestation-refused', message: /ENOENT/ })
  await t.rejects(attest({ uid: uid + 1, pid: 7 }), { code: 'attestation-refused', message: /runs as user/ })
  const broken = unixAttestor(procWith(t, 9, 'nothing').proc)
  await t.rejects(Promise.resolve(broken.attest({ kind: 'unix', peer: { uid, gid, pid: 9 } }, request)), {
    code: 'attestation-refused',
  })
})
