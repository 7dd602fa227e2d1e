import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fileSink } from '../../../src/telemetry/file-sink.ts'

function write(path: string, lines: string): Promise<void> {
  const sink = fileSink(path)
  return new Promise((resolve, reject) => {
    sink.write(lines, (error) => {
      sink.close()
      if (error === undefined) resolve()
      else reject(error)
    })
  })
}

t.test('appends, and keeps others out', async (t) => {
  const path = join(t.testdir(), 'access.log')
  await write(path, 'one\n')
  await write(path, 'zwei ü\n')
  t.equal(readFileSync(path, 'utf8'), 'one\nzwei ü\n')
  t.equal(statSync(path).mode & 0o007, 0)
})

t.test('a close in the middle of a write lets it end', async (t) => {
  const path = join(t.testdir(), 'access.log')
  const sink = fileSink(path)
  const text = `${'x'.repeat(1_000_000)}\n`
  const written = new Promise((resolve) => {
    sink.write(text, resolve)
  })
  sink.close()
  sink.close()
  t.equal(await written, undefined)
  t.equal(readFileSync(path, 'utf8').length, text.length)
})

t.test('a file that cannot be opened is one clear error', async (t) => {
  t.throws(() => fileSink(join(t.testdir(), 'missing', 'access.log')), { code: 'access-log-unwritable' })
})
