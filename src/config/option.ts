import type { Address, CapturedPort, Mapping, ServiceMapping } from '../lib/address.ts'
import type { Secret } from './secret.ts'

interface Described {
  /** What it does and why the default is what it is; one or two sentences, used by `--help` and the reference page. */
  readonly doc: string
  /** Weakens the security of the mesh: the process says so when it starts. */
  readonly dangerous?: true
}

/** Text. The empty text is `undefined` where `optional`. `pattern` is the source of an anchored regular expression. */
export interface StringOption extends Described {
  readonly type: 'string'
  readonly default: string
  readonly optional?: true
  readonly pattern?: string
  /** The pattern in words, for the error. */
  readonly expects?: string
}

/** A file or folder name, taken as it is; the empty text is `undefined` where `optional`. */
export interface PathOption extends Described {
  readonly type: 'path'
  readonly default: string
  readonly optional?: true
}

export interface IntegerOption extends Described {
  readonly type: 'integer'
  readonly default: number
  readonly min: number
  readonly max: number
  /** The unit is also in the name, where there is one: `maxHeadBytes`. */
  readonly unit?: 'bytes' | 'per second'
  /** The word `auto` is a value too: the process finds the number. */
  readonly auto?: true
}

/** The name ends in `Ms`; texts such as `10s` or a number of milliseconds. */
export interface DurationOption extends Described {
  readonly type: 'duration'
  readonly default: string
  readonly min: string
  readonly max: string
}

export interface BooleanOption extends Described {
  readonly type: 'boolean'
  readonly default: boolean
}

/** `host:port`. Port 0 (a free one) is for `listen` only; the empty text is `undefined` where `optional`. */
export interface AddressOption extends Described {
  readonly type: 'address'
  readonly use: 'listen' | 'connect'
  readonly default: string
  readonly optional?: true
  /** Must be a loopback address: what listens there trusts whoever connects. */
  readonly loopback?: true
}

/** A host without a port; the empty text is `undefined`. */
export interface HostOption extends Described {
  readonly type: 'host'
  readonly default: string
  readonly optional: true
}

/**
 * `LISTEN=[PROTOCOL://]APP[?mode=MODE]`, `LISTEN=SERVICE_HOST:PORT` or `[PROTOCOL://]PORT[?mode=MODE]`: a list in a file, separated by commas elsewhere, and the
 * flag may be repeated.
 */
export interface ListOption extends Described {
  readonly type: 'mappings' | 'services' | 'captured'
  readonly default: string
  readonly max: number
}

export interface EnumOption extends Described {
  readonly type: 'enum'
  readonly values: readonly string[]
  readonly default: string
}

/** Comes from the environment alone: a flag is seen by every user of the machine, and files get committed. */
export interface SecretOption extends Described {
  readonly type: 'secret'
  readonly default: ''
}

export type Option =
  | StringOption
  | PathOption
  | IntegerOption
  | DurationOption
  | BooleanOption
  | AddressOption
  | HostOption
  | ListOption
  | EnumOption
  | SecretOption

/**
 * The options of one process by name, in the order of the reference page. From this one table come the parser, the
 * flags, `--help`, the reference page and the type of the configuration.
 */
export type OptionTable = Readonly<Record<string, Option>>

interface ValueByType {
  readonly string: string
  readonly path: string
  readonly integer: number
  readonly duration: number
  readonly boolean: boolean
  readonly address: Address
  readonly host: string
  readonly mappings: readonly Mapping[]
  readonly services: readonly ServiceMapping[]
  readonly captured: readonly CapturedPort[]
  readonly enum: string
  readonly secret: Secret | undefined
}

export type OptionValue<O extends Option = Option> = O extends { readonly values: readonly (infer Value)[] }
  ? Value
  :
      | ValueByType[O['type']]
      | (O extends { readonly optional: true } ? undefined : never)
      | (O extends { readonly auto: true } ? 'auto' : never)

/** The checked configuration that a table describes. */
export type ConfigOf<T extends OptionTable> = { readonly [Name in keyof T]: OptionValue<T[Name]> }

function words(name: string, separator: string): string {
  return name.replace(/[A-Z]/g, (letter) => separator + letter.toLowerCase())
}

/** `drainTimeoutMs` is the flag `--drain-timeout-ms`, here without the dashes. */
export function flagOf(name: string): string {
  return words(name, '-')
}

/** `drainTimeoutMs` is the environment variable `OUTRIDER_DRAIN_TIMEOUT_MS`. */
export function variableOf(name: string): string {
  return `OUTRIDER_${words(name, '_').toUpperCase()}`
}
