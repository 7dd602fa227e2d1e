import t from 'tap'
import { exitCode, type Output } from '../../../src/cli/command.ts'
import { exitCodeOf } from '../../../src/cli/exit.ts'
import { commands, run, type Surroundings } from '../../../src/cli/run.ts'
import { OutriderError } from '../../../src/lib/errors.ts'
import { TestClock } from '../../fixtures/clock.ts'

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function outrider(...argv: string[]): Promise<Ran> {
  const texts = { stdout: '', stderr: '' }
  const output = (name: 'stdout' | 'stderr'): Output => ({
    isTerminal: false,
    write: (text) => {
      texts[name] += text
    },
  })
  const surroundings: Surroundings = {
    env: {},
    get stdin(): never {
      throw new Error('standard input was opened')
    },
    stdout: output('stdout'),
    stderr: output('stderr'),
    signal: new AbortController().signal,
    clock: new TestClock(),
    random: () => 0.5,
  }
  return { code: await run(argv, surroundings), ...texts }
}

t.test('help lists every command', async (t) => {
  for (const argv of [[], ['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await outrider(...argv)
    t.equal(code, exitCode.ok)
    t.equal(stderr, '')
    for (const name of Object.keys(commands)) t.match(stdout, new RegExp(`^ {2}${name} +[A-Z]`, 'm'))
  }
})

t.test('each command is what the table says and explains itself', async (t) => {
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const { command } = await load()
    t.equal(command.name, name)
    t.equal(command.summary, summary)
    const { code, stdout } = await outrider(name, '--help')
    t.equal(code, exitCode.ok)
    t.equal((await outrider('help', name)).stdout, stdout)
    t.ok(stdout.startsWith(`Usage: outrider ${name}`))
    for (const option of Object.keys(command.options)) t.match(stdout, `--${option}`)
    for (const line of stdout.split('\n')) t.ok(line.length <= 120, `at most 120 columns: ${line}`)
  }
})

t.test('version', async (t) => {
  const { code, stdout } = await outrider('--version')
  t.equal(code, exitCode.ok)
  t.match(stdout, /^outrider \d+\.\d+\.\d+ \(node v\d+/)
})

t.test('usage errors go to stderr with code 2', async (t) => {
  t.same(await outrider('verson'), {
    code: exitCode.usage,
    stdout: '',
    stderr: `outrider: "verson" is no command (did you mean "version"?); there are ${Object.keys(commands).join(', ')} (usage-command-unknown)\nRun "outrider --help" for its options.\n`,
  })
  const { code, stderr } = await outrider('version', '--loud')
  t.equal(code, exitCode.usage)
  t.equal(
    stderr,
    'outrider version: --loud is no option of this command (usage-option-unknown)\nRun "outrider version --help" for its options.\n',
  )
  t.equal((await outrider('toString')).code, exitCode.usage, 'not a property of every object')
})

t.test('exit codes by error', async (t) => {
  const quiet = new AbortController().signal
  const of = (code: string): number => exitCodeOf(new OutriderError(code, ''), quiet)
  t.equal(of('usage-option-unknown'), exitCode.usage)
  t.equal(of('config-unknown-key'), exitCode.usage)
  t.equal(of('rpc-unavailable'), exitCode.unreachable)
  t.equal(of('resource-not-found'), exitCode.notFound)
  t.equal(of('resource-in-use'), exitCode.conflict)
  t.equal(of('anything-else'), exitCode.failure)
  t.equal(exitCodeOf(new TypeError('bug'), quiet), exitCode.failure)
  t.equal(exitCodeOf(new Error('stopped'), AbortSignal.abort()), exitCode.interrupted)
})
