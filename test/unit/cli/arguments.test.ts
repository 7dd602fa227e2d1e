import t from 'tap'
import { parseArguments } from '../../../src/cli/arguments.ts'
import { type CommandOptions, outputOption } from '../../../src/cli/command.ts'

const options: CommandOptions = {
  file: { type: 'string', short: 'f', multiple: true, value: 'FILE', doc: 'files' },
  'dry-run': { type: 'boolean', doc: 'try' },
  socket: { type: 'string', value: 'PATH', doc: 'where' },
  output: outputOption,
}

function parse(...words: string[]) {
  return parseArguments(words, options)
}

t.test('words and options in any order', async (t) => {
  const parsed = parse('a', '-f', 'x', '--dry-run', '--file=y', 'b', '-oyaml', '--socket', '')
  t.same(parsed, {
    help: false,
    args: ['a', 'b'],
    options: { file: ['x', 'y'], 'dry-run': true, socket: '', output: 'yaml' },
  })
})

t.test('what is not given', async (t) => {
  t.same(parse().options, { file: [], 'dry-run': undefined, socket: undefined, output: 'table' })
})

t.test('a dash alone is a value, and after -- everything is a word', async (t) => {
  t.same(parse('-f', '-').options['file'], ['-'])
  t.same(parse('--', '--dry-run', '-x').args, ['--dry-run', '-x'])
  t.same(parse('--socket=--odd').options['socket'], '--odd')
})

t.test('help wins over nothing but is known everywhere', async (t) => {
  t.ok(parse('--help').help)
  t.ok(parse('-h').help)
  t.notHas(parse('-h').options, { help: true })
})

t.test('each slip is told', async (t) => {
  const cases: readonly [string[], string, RegExp][] = [
    [['--dryrun'], 'usage-option-unknown', /^--dryrun is no option of this command \(did you mean "dry-run"\?\)$/],
    [['-x'], 'usage-option-unknown', /^-x is no option/],
    [['--constructor'], 'usage-option-unknown', /no option/],
    [['--dry-run=yes'], 'usage-option-value', /takes no value, but "yes"/],
    [['--socket'], 'usage-option-value', /--socket needs a value: PATH/],
    [['--socket', '--dry-run'], 'usage-option-value', /"--dry-run" looks like an option; .* --socket=--dry-run/],
    [['-o', 'jsno'], 'usage-option-value', /must be one of table, json, yaml, not "jsno" \(did you mean "json"\?\)/],
    [['--socket', 'a', '--socket', 'b'], 'usage-option-value', /given 2 times/],
  ]
  for (const [words, code, message] of cases) t.throws(() => parse(...words), { code, message }, words.join(' '))
})
