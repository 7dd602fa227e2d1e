import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/lib/package-root.ts'

function outrider(word: string): { status: number | null; stdout: string; stderr: string } {
  const launcher = join(packageRoot, 'bin', 'outrider')
  return spawnSync(process.execPath, [launcher, word], { encoding: 'utf8', input: '' })
}

t.test('the process ends with the exit code of its command and writes to the right stream', async (t) => {
  t.match(outrider('version'), { status: 0, stdout: /^outrider /, stderr: '' })
  t.match(outrider('no-such'), { status: 2, stdout: '', stderr: /^outrider: "no-such" is no command/ })
})
