import { withHelp } from './arguments.ts'
import type { Command, CommandOption } from './command.ts'

const WIDTH = 100

/** Breaks `text` into lines of at most `width` columns, between words. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** Two columns: the left one as wide as it needs, up to a bound, beyond which the right one begins on its own line. */
function columns(rows: readonly (readonly [left: string, right: string])[]): string {
  const left = Math.min(28, Math.max(...rows.map(([text]) => text.length)))
  const indent = ' '.repeat(left + 4)
  const lines = rows.flatMap(([name, text]) => {
    const [first = '', ...rest] = wrap(text, WIDTH - indent.length)
    const head = name.length > left ? [`  ${name}`, indent + first] : [`  ${name.padEnd(left)}  ${first}`]
    return [...head, ...rest.map((line) => indent + line)]
  })
  return lines.map((line) => `${line.trimEnd()}\n`).join('')
}

function optionRow([name, option]: readonly [string, CommandOption]): readonly [string, string] {
  const short = option.short === undefined ? '    ' : `-${option.short}, `
  const value = option.type === 'boolean' ? '' : ` ${option.value ?? 'VALUE'}`
  const notes = [
    ...(option.multiple === true ? ['may be repeated'] : []),
    ...(option.default === undefined || option.default === '' ? [] : [`default: ${option.default}`]),
  ]
  return [`${short}--${name}${value}`, notes.length === 0 ? option.doc : `${option.doc} (${notes.join('; ')})`]
}

/** What `outrider COMMAND --help` prints. */
export function commandHelp(command: Command): string {
  const forms = command.usage.split('\n').map((form) => `outrider ${command.name} ${form}`.trimEnd())
  const usage = forms.map((form, index) => `${index === 0 ? 'Usage: ' : '       '}${form}\n`).join('')
  const options = columns(Object.entries(withHelp(command.options)).map(optionRow))
  return `${usage}\n${command.summary}.\n\nOptions:\n${options}`
}

/** What `outrider --help` prints. */
export function programHelp(commands: Iterable<readonly [name: string, summary: string]>): string {
  return `Usage: outrider COMMAND [OPTIONS]

A zero-trust service mesh: a sidecar proxy for every workload, and the control server that issues their
identities and streams their policy.

Commands:
${columns([...commands])}
Run "outrider COMMAND --help" for the options of a command.
`
}
