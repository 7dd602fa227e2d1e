import t from 'tap'
import { OutriderError } from '../../../src/lib/errors.ts'
import { createLogger, type LogLevel, type RootLogger } from '../../../src/telemetry/log.ts'
import { TestClock } from '../../fixtures/clock.ts'

function setUp(level: LogLevel = 'info'): { log: RootLogger; lines: string[] } {
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  return { log: createLogger({ name: 'sidecar', level, clock: new TestClock(), sink }), lines }
}

t.test('one JSON object per line', async (t) => {
  const { log, lines } = setUp()
  log.info({ port: 1 }, 'listening\n"here"')
  t.equal(lines.length, 1)
  t.equal(lines[0]?.indexOf('\n'), lines[0]!.length - 1)
  t.same(JSON.parse(lines[0]!), {
    level: 'info',
    time: '2026-01-01T00:00:00.000Z',
    process: 'sidecar',
    port: 1,
    message: 'listening\n"here"',
  })
})

t.test('the level changes at run time, for children too', async (t) => {
  const { log, lines } = setUp('warn')
  const child = log.child({ listener: 'inbound' }).child({ peer: 'x' })
  child.info({}, 'not yet')
  t.equal(lines.length, 0)
  log.level = 'debug'
  child.debug({ port: 2 }, 'now')
  t.match(JSON.parse(lines[0]!), { level: 'debug', listener: 'inbound', peer: 'x', port: 2 })
  log.level = 'error'
  child.warn({}, 'no more')
  t.equal(lines.length, 1)
  t.equal(log.level, 'error')
})

t.test('secrets are blanked', async (t) => {
  const { log, lines } = setUp()
  log.child({ token: 'hidden' }).info({ joinToken: 'hidden', headers: { authorization: 'hidden' } }, 'x')
  log.info({ request: { headers: { cookie: 'hidden' } } }, 'x')
  t.notMatch(lines.join(''), /hidden/)
  t.equal(lines.length, 2)
})

t.test('our errors by code, bugs with their stack', async (t) => {
  const { log, lines } = setUp()
  log.error({ error: new OutriderError('port-in-use', 'busy', { cause: new Error('EADDRINUSE') }) }, 'x')
  log.error({ error: new TypeError('bug') }, 'x')
  log.error({ error: 'text' }, 'x')
  const [ours, bug, text] = lines.map((line) => JSON.parse(line))
  t.same(ours.error, { code: 'port-in-use', message: 'busy: EADDRINUSE' })
  t.match(bug.error, { message: 'bug', stack: /TypeError: bug\n/ })
  t.same(text.error, { message: 'text' })
})
