import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { replaceDurably, replaceDurablyLater, writeDurably } from '../../../src/lib/durable-file.ts'
import { temporaryFolder } from '../../fixtures/control.ts'

t.test('a file is replaced as a whole, and nothing is left beside it', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'file')
  writeFileSync(`${path}.unfinished`, 'of a write that was cut short')
  for (const content of ['one', 'two']) {
    replaceDurably(path, content)
    t.equal(readFileSync(path, 'utf8'), content)
    t.equal(statSync(path).mode & 0o777, 0o600)
    t.same(readdirSync(folder), ['file'])
  }
  t.throws(() => writeDurably(path, 'three'), { code: 'EEXIST' }, 'what is there is not written over')
})

t.test('a write that fails leaves what was there', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'file')
  replaceDurably(path, 'one')
  mkdirSync(join(`${path}.unfinished`, 'in the way'), { recursive: true })
  t.throws(() => replaceDurably(path, 'two'))
  t.equal(readFileSync(path, 'utf8'), 'one')
})

t.test('so it is without waiting for the disk, from pieces', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'file')
  writeFileSync(`${path}.unfinished`, 'of a write that was cut short')
  for (const content of ['one', 'two']) {
    await replaceDurablyLater(path, [Buffer.from(content), Buffer.from(' and more')])
    t.equal(readFileSync(path, 'utf8'), `${content} and more`)
    t.equal(statSync(path).mode & 0o777, 0o600)
    t.same(readdirSync(folder), ['file'])
  }
  mkdirSync(join(`${path}.unfinished`, 'in the way'), { recursive: true })
  await t.rejects(replaceDurablyLater(path, [Buffer.from('three')]))
  t.equal(readFileSync(path, 'utf8'), 'two and more')
})
