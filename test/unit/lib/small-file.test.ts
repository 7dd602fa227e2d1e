import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { readSmallFile } from '../../../src/lib/small-file.ts'
import { temporaryFolder } from '../../fixtures/control.ts'

t.test('a file is read whole, with its mode', async (t) => {
  const path = join(temporaryFolder(t), 'file')
  writeFileSync(path, 'grüße\n', { mode: 0o600 })
  chmodSync(path, 0o640)
  const { text, mode } = readSmallFile(path, 8)
  t.equal(text, 'grüße\n')
  t.equal(mode & 0o777, 0o640)
  writeFileSync(path, '')
  t.equal(readSmallFile(path, 0).text, '')
})

t.test('what is no small file is not read', async (t) => {
  const folder = temporaryFolder(t)
  const path = (name: string): string => join(folder, name)
  writeFileSync(path('large'), 'x'.repeat(9))
  t.throws(() => readSmallFile(path('large'), 8), { kind: 'too-large', message: 'has 9 bytes, at most 8 are read' })
  mkdirSync(path('folder'))
  t.throws(() => readSmallFile(path('folder'), 8), { kind: 'not-a-file', message: 'is no file' })
  execFileSync('mkfifo', [path('pipe')])
  t.throws(
    () => readSmallFile(path('pipe'), 8),
    { kind: 'not-a-file', message: 'is no file' },
    'without waiting for somebody who writes',
  )
  t.throws(() => readSmallFile(path('none'), 8), { code: 'ENOENT' })
})
