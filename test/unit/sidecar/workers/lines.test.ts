import t from 'tap'
import { SentAccessLog, SentLog, SinkInTurns } from '../../../../src/sidecar/workers/lines.ts'
import type { FromWorker } from '../../../../src/sidecar/workers/messages.ts'

t.test('lines of the log go one parcel at a time, and are bounded', async (t) => {
  const posted: FromWorker[] = []
  const log = new SentLog((message) => posted.push(message))
  log.write('one\n')
  log.write('two\n')
  log.write('three\n')
  t.same(posted, [{ kind: 'lines', log: 'log', lines: 'one\n' }])
  log.written()
  t.match(posted[1], { lines: 'two\nthree\n' })
  log.written()
  t.equal(posted.length, 2)

  const line = `${'x'.repeat(1023)}\n`
  log.write('first\n')
  for (let n = 0; n < 2000; n += 1) log.write(line)
  log.written()
  t.match(posted[3], { lines: line.repeat(1024) }, 'a mebibyte and not more')
  log.write('last words\n')
  log.flush()
  t.match(posted[4], { lines: 'last words\n' }, 'at the end nothing is waited for')
})

t.test('a line of the access log that could not be written is one that was lost', async (t) => {
  const posted: FromWorker[] = []
  const log = new SentAccessLog((message) => posted.push(message))
  const results: (string | undefined)[] = []
  log.write('one\n', (error) => results.push(error?.message))
  t.same(posted, [{ kind: 'lines', log: 'access-log', lines: 'one\n' }])
  log.written(undefined)
  log.write('two\n', (error) => results.push(error?.message))
  log.written('the disk is full')
  t.same(results, [undefined, 'the disk is full'])
})

t.test('writers take turns', async (t) => {
  const writes: string[] = []
  let finish: ((error?: Error) => void) | undefined
  let closed = false
  const sink = new SinkInTurns({
    write: (lines, done) => {
      writes.push(lines)
      finish = done
    },
    close: () => {
      closed = true
    },
  })
  const results: string[] = []
  for (const name of ['a', 'b', 'c']) {
    sink.write(name, (error) => results.push(error === undefined ? name : `${name}: ${error.message}`))
  }
  t.same(writes, ['a'])
  finish?.()
  t.same([writes, results], [['a', 'b'], ['a']])
  finish?.(new Error('full'))
  finish?.()
  t.same(results, ['a', 'b: full', 'c'])
  sink.write('d', () => {})
  t.same(writes, ['a', 'b', 'c', 'd'])
  sink.close()
  t.ok(closed)
})
