import { OutriderError } from '../lib/errors.ts'
import { didYouMean, nearest } from '../lib/nearest.ts'
import { type ConfigOf, flagOf, type Option, type OptionTable, type OptionValue, variableOf } from './option.ts'
import { parseValue, type ValueErrorCode } from './value.ts'

export interface ConfigSources<T extends OptionTable = OptionTable> {
  /** The decoded configuration file: one object with the names of the options as keys. */
  readonly file?: unknown
  /** For messages. */
  readonly fileName?: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** By the name of the flag, without dashes. */
  readonly flags: Readonly<Record<string, string | boolean | readonly string[] | undefined>>
  /** Defaults that only the caller knows, such as the host name. */
  readonly defaults?: Readonly<Partial<Record<keyof T, string>>>
}

export type ConfigErrorCode =
  | ValueErrorCode
  | 'config-unknown-key'
  | 'config-file-malformed'
  | 'config-secret-misplaced'
  | 'config-options-disagree'

interface Problem {
  readonly code: ConfigErrorCode
  readonly place: string
  readonly message: string
}

interface Given {
  readonly place: string
  readonly raw: unknown
}

/**
 * Reads a table's options: a flag wins over the environment, that over the file, that over the default. The result is
 * frozen. Throws one `OutriderError` that tells all problems, with the code and place of the first.
 */
export function loadConfig<const T extends OptionTable>(table: T, sources: ConfigSources<T>): ConfigOf<T> {
  const problems: Problem[] = []
  const file = fileValues(sources, problems)
  const values: Record<string, OptionValue> = {}
  for (const [name, option] of Object.entries(table)) {
    const { place, raw } = given(name, option, sources, file)
    const parsed = parseValue(option, raw)
    if (parsed.ok) values[name] = parsed.value
    else
      problems.push({ place, code: parsed.problem.code, message: `${shown(option, raw)} is ${parsed.problem.message}` })
  }
  refuseUnknown(table, sources, file, problems)
  report(problems)
  if (!isWhole(table, values)) throw new TypeError('an option has neither a value nor a problem')
  return Object.freeze(values)
}

/** `parseValue` gave each value the type of its option; with no problem reported and no name missing it is a config. */
function isWhole<T extends OptionTable>(table: T, values: object): values is ConfigOf<T> {
  return Object.keys(table).every((name) => name in values)
}

function fileValues(sources: ConfigSources, problems: Problem[]): ReadonlyMap<string, unknown> {
  const { file } = sources
  // An empty YAML file decodes to null.
  if (file === undefined || file === null) return new Map()
  if (typeof file === 'object' && !Array.isArray(file)) return new Map(Object.entries(file))
  problems.push({
    code: 'config-file-malformed',
    place: filePlace(sources),
    message: 'must be one object with the names of options as keys',
  })
  return new Map()
}

function given(name: string, option: Option, sources: ConfigSources, file: ReadonlyMap<string, unknown>): Given {
  const flag = option.type === 'secret' ? undefined : sources.flags[flagOf(name)]
  // Flags that may be repeated are an empty list where none was given.
  const flagGiven = Array.isArray(flag) ? flag.length > 0 : flag !== undefined
  if (flagGiven) return { place: `flag --${flagOf(name)}`, raw: flag }
  const variable = sources.env[variableOf(name)]
  if (variable !== undefined) return { place: `environment variable ${variableOf(name)}`, raw: variable }
  if (file.has(name) && option.type !== 'secret') {
    return { place: `${filePlace(sources)}, key ${name}`, raw: file.get(name) }
  }
  return { place: `default of ${name}`, raw: sources.defaults?.[name] ?? option.default }
}

function refuseUnknown(
  table: OptionTable,
  sources: ConfigSources,
  file: ReadonlyMap<string, unknown>,
  problems: Problem[],
): void {
  const inFiles = Object.keys(table).filter((name) => table[name]?.type !== 'secret')
  for (const key of file.keys()) {
    const place = `${filePlace(sources)}, key ${key}`
    if (Object.hasOwn(table, key) && !inFiles.includes(key)) {
      const message = `is a secret: give it in ${variableOf(key)}, not in a file`
      problems.push({ code: 'config-secret-misplaced', place, message })
    } else if (!Object.hasOwn(table, key)) {
      problems.push({ code: 'config-unknown-key', place, message: `is no option${didYouMean(key, inFiles)}` })
    }
  }
  const flags = inFiles.map((name) => flagOf(name))
  for (const [flag, value] of Object.entries(sources.flags)) {
    if (value === undefined || flags.includes(flag)) continue
    const message = `is no option${didYouMean(flag, flags)}`
    problems.push({ code: 'config-unknown-key', place: `flag --${flag}`, message })
  }
  // The environment is shared: Kubernetes adds OUTRIDER_SERVICE_HOST for a service of that name, the CLI has variables
  // of its own. So only what is plainly a slip of the pen is refused there.
  const variables = Object.keys(table).map(variableOf)
  for (const variable of Object.keys(sources.env)) {
    if (!variable.startsWith('OUTRIDER_') || variables.includes(variable)) continue
    const meant = nearest(variable, variables, 2)
    if (meant === undefined) continue
    const message = `is no option (did you mean "${meant}"?)`
    problems.push({ code: 'config-unknown-key', place: `environment variable ${variable}`, message })
  }
}

function filePlace(sources: ConfigSources): string {
  return `file ${sources.fileName ?? '(unnamed)'}`
}

function shown(option: Option, raw: unknown): string {
  if (option.type === 'secret') return 'the value (not shown)'
  const text = JSON.stringify(raw) ?? String(raw)
  return text.length > 120 ? `${text.slice(0, 120)}...` : text
}

function report(problems: readonly Problem[]): void {
  const [first] = problems
  if (first === undefined) return
  const message = problems.map((problem) => `${problem.place}: ${problem.message}`).join('; ')
  throw new OutriderError(first.code, message, { place: first.place })
}
