import { parseArgs } from 'node:util'
import { didYouMean } from '../lib/nearest.ts'
import { OutriderError } from '../lib/errors.ts'
import type { CommandOption, CommandOptions, OptionValues } from './command.ts'

export interface Arguments {
  readonly help: boolean
  readonly args: readonly string[]
  readonly options: OptionValues<CommandOptions>
}

interface OptionToken {
  readonly kind: 'option'
  readonly name: string
  readonly rawName: string
  readonly value: string | undefined
  readonly inlineValue: boolean | undefined
}

const helpOption: CommandOption = { type: 'boolean', short: 'h', doc: 'show this help' }

/** A command's own options and the one that all have. */
export function withHelp(options: CommandOptions): CommandOptions {
  return { ...options, help: helpOption }
}

/**
 * Splits the words after the command's name into options and arguments. The tokens of `parseArgs` are read rather than
 * its result, because its errors neither name what was meant nor list the allowed values.
 */
export function parseArguments(words: readonly string[], own: CommandOptions): Arguments {
  const table = withHelp(own)
  const config = Object.entries(table).map(([name, { type, short }]) => [name, short ? { type, short } : { type }])
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(config),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const args: string[] = []
  const given = new Map<string, (string | true)[]>()
  for (const token of tokens) {
    if (token.kind === 'positional') args.push(token.value)
    if (token.kind !== 'option') continue
    const value = valueOf(token, table)
    const values = given.get(token.name)
    if (values === undefined) given.set(token.name, [value])
    else values.push(value)
  }
  return { help: given.has('help'), args, options: optionValues(given, own) }
}

function valueOf(token: OptionToken, table: CommandOptions): string | true {
  const option = Object.hasOwn(table, token.name) ? table[token.name] : undefined
  if (option === undefined) {
    throw new OutriderError(
      'usage-option-unknown',
      `${token.rawName} is no option of this command${didYouMean(token.name, Object.keys(table))}`,
    )
  }
  const { value } = token
  if (option.type === 'boolean') {
    if (value === undefined) return true
    throw new OutriderError('usage-option-value', `${token.rawName} takes no value, but "${value}" was given`)
  }
  if (value === undefined) {
    throw new OutriderError('usage-option-value', `${token.rawName} needs a value: ${option.value ?? 'VALUE'}`)
  }
  if (token.inlineValue !== true && value.length > 1 && value.startsWith('-')) {
    throw new OutriderError(
      'usage-option-value',
      `${token.rawName} needs a value, but "${value}" looks like an option; if it is meant, write --${token.name}=${value}`,
    )
  }
  if (option.choices !== undefined && !option.choices.includes(value)) {
    throw new OutriderError(
      'usage-option-value',
      `${token.rawName} must be one of ${option.choices.join(', ')}, not "${value}"${didYouMean(value, option.choices)}`,
    )
  }
  return value
}

function optionValues(
  given: ReadonlyMap<string, readonly (string | true)[]>,
  table: CommandOptions,
): OptionValues<CommandOptions> {
  const values: Record<string, string | boolean | readonly string[] | undefined> = {}
  for (const [name, option] of Object.entries(table)) {
    const all = given.get(name) ?? []
    if (option.multiple === true) values[name] = all.filter((value) => value !== true)
    else if (all.length > 1 && option.type === 'string') {
      throw new OutriderError('usage-option-value', `--${name} is given ${all.length} times: which one counts?`)
    } else values[name] = all[0] ?? option.default
  }
  return values
}
