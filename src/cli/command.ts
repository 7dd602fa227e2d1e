import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'

/** What the process says to the shell when it ends; documented in docs/reference/cli.md. */
export const exitCode = {
  ok: 0,
  /** Something failed that none of the codes below names. */
  failure: 1,
  /** The command line or the configuration is wrong: nothing was tried. */
  usage: 2,
  /** The input was read and refused, such as invalid resources. */
  refused: 3,
  notFound: 4,
  /** The control server does not answer. */
  unreachable: 5,
  /** The state there is not the one the command wanted: a conflict or a failed precondition. */
  conflict: 6,
  /** A canary was taken back: nothing was stored. */
  rolledBack: 7,
  /** Ended by SIGINT or SIGTERM before it was done. */
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/** One `--name` of a command. */
export interface CommandOption {
  readonly type: 'string' | 'boolean'
  /** One letter: `f` for `-f`. */
  readonly short?: string
  /** May be given several times; the value is then a list. Strings only. */
  readonly multiple?: boolean
  /** How `--help` names the value: `FILE`, `NS/NAME`. */
  readonly value?: string
  readonly choices?: readonly string[]
  readonly default?: string
  readonly doc: string
}

/** Options by their long name, as it is typed: `dry-run`. */
export type CommandOptions = Readonly<Record<string, CommandOption>>

/** What an option of an unknown table may hold. */
type AnyValue = string | boolean | readonly string[] | undefined

type TextOf<O extends CommandOption> = O extends { readonly choices: readonly (infer Choice)[] } ? Choice : string

type OptionValue<O extends CommandOption> = CommandOption extends O
  ? AnyValue
  : O extends { readonly type: 'boolean' }
    ? boolean | undefined
    : O extends { readonly multiple: true }
      ? readonly string[]
      : TextOf<O> | (O extends { readonly default: string } ? never : undefined)

/** What was given for each option; `undefined` (or the empty list) where nothing was and there is no default. */
export type OptionValues<O extends CommandOptions> = { readonly [Name in keyof O]: OptionValue<O[Name]> }

export interface Output {
  write(text: string): void
  /** True when a person reads it: then a table may use the width and colours of a terminal. */
  readonly isTerminal: boolean
}

/** All that a command gets from the process; it reaches for nothing else. */
export interface CommandContext<O extends CommandOptions = CommandOptions> {
  /** The words that are no options, in order, without the name of the command. */
  readonly args: readonly string[]
  readonly options: OptionValues<O>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: AsyncIterable<Uint8Array>
  /** Results. */
  readonly stdout: Output
  /** Everything else: progress, warnings, errors. */
  readonly stderr: Output
  /** Aborted by the first SIGINT or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly random: Random
}

/**
 * One command. `run` resolves with the exit code; an `OutriderError` it throws becomes one line on stderr and the exit
 * code that run.ts holds for its code.
 */
export interface Command<O extends CommandOptions = CommandOptions> {
  readonly name: string
  /** One line for the list of commands, without a full stop. */
  readonly summary: string
  /** What follows the name: `-f FILE... [--dry-run]`. Several forms are separated by a newline. */
  readonly usage: string
  /** `--help` is made from this table; do not list `help` here. */
  readonly options: O
  run(context: CommandContext<O>): Promise<number>
}

/** Lets `run` see the types of its own options: `export const command: Command = defineCommand({ ... })`. */
export function defineCommand<const O extends CommandOptions>(command: Command<O>): Command {
  return command
}

/** `-o`, for every command that prints resources or records. */
export const outputOption = {
  type: 'string',
  short: 'o',
  value: 'FORMAT',
  choices: ['table', 'json', 'yaml'],
  default: 'table',
  doc: 'how to print: table, json or yaml',
} as const
