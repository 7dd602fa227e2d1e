import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readPrivateFile } from '../../../src/lib/private-file.ts'
import { temporaryFolder } from '../../fixtures/control.ts'

t.test('a private file is read, one that is not there is none', async (t) => {
  const path = join(temporaryFolder(t), 'file')
  t.equal(readPrivateFile(path, 10), undefined)
  writeFileSync(path, 'secret', { mode: 0o600 })
  t.equal(readPrivateFile(path, 6)?.toString(), 'secret')
  chmodSync(path, 0o400)
  t.equal(readPrivateFile(path, 6)?.toString(), 'secret')
})

t.test('what others may have had a hand in is refused', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'file')
  writeFileSync(path, 'secret', { mode: 0o600 })
  for (const mode of [0o640, 0o620, 0o610, 0o604, 0o602, 0o601]) {
    chmodSync(path, mode)
    t.throws(() => readPrivateFile(path, 10), { code: 'private-file-exposed', place: path }, mode.toString(8))
  }
  chmodSync(path, 0o600)
  t.throws(() => readPrivateFile(path, 5), { code: 'private-file-too-large', message: /6 bytes, at most 5/ })
  symlinkSync(path, join(folder, 'link'))
  t.throws(() => readPrivateFile(join(folder, 'link'), 10), { code: 'private-file-symlink' })
  symlinkSync(join(folder, 'nothing'), join(folder, 'dangling'))
  t.throws(() => readPrivateFile(join(folder, 'dangling'), 10), { code: 'private-file-symlink' })
  mkdirSync(join(folder, 'folder'), { mode: 0o700 })
  t.throws(() => readPrivateFile(join(folder, 'folder'), 10), { code: 'private-file-unreadable' })
  t.throws(() => readPrivateFile(join(path, 'beyond'), 10), { code: 'private-file-unreadable' })
})

t.test('a file of another user is refused', async (t) => {
  // Only root can give a file away, and only others find one that is not theirs.
  const isRoot = process.geteuid?.() === 0
  const path = isRoot ? join(temporaryFolder(t), 'file') : '/etc/hostname'
  if (isRoot) {
    writeFileSync(path, 'secret', { mode: 0o600 })
    chownSync(path, 65_534, 65_534)
  }
  t.throws(() => readPrivateFile(path, 1000), { code: 'private-file-not-ours' })
})
