import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { ConfigSources } from '../config/load.ts'
import { flagOf, type Option, type OptionTable, variableOf } from '../config/option.ts'
import { rangeOf } from '../config/value.ts'
import { OutriderError } from '../lib/errors.ts'
import type { CommandContext, CommandOption, CommandOptions } from './command.ts'

const configFlag = {
  type: 'string',
  value: 'FILE',
  doc: 'YAML file with options by name, such as drainTimeoutMs: 30s',
} as const

const valueNames: Readonly<Record<Option['type'], string>> = {
  string: 'TEXT',
  path: 'PATH',
  integer: 'NUMBER',
  duration: 'DURATION',
  boolean: 'BOOLEAN',
  address: 'HOST:PORT',
  host: 'HOST',
  mappings: 'LISTEN=APP',
  services: 'LISTEN=SERVICE',
  captured: 'PORT',
  enum: 'WORD',
  secret: 'TEXT',
}

function commandOption(name: string, option: Option): CommandOption {
  const range = rangeOf(option)
  const notes = [
    ...(option.default === '' ? [] : [`default ${option.default}`]),
    ...(range === undefined ? [] : [range]),
    variableOf(name),
  ]
  const doc = `${option.doc} (${notes.join('; ')})`
  const flag = { type: 'string', value: valueNames[option.type], doc } as const
  return ['mappings', 'services', 'captured'].includes(option.type) ? { ...flag, multiple: true } : flag
}

/** The flags of a command that is configured by an option table. Their values are read by `configSources`. */
export function configOptions(table: OptionTable): CommandOptions {
  const open = Object.entries(table).filter(([, option]) => option.type !== 'secret')
  return {
    config: configFlag,
    ...Object.fromEntries(open.map(([name, option]) => [flagOf(name), commandOption(name, option)])),
  }
}

/**
 * Where the values come from when a command with `configOptions` is run: its flags, the environment, `--config`, and the
 * defaults that only the machine knows.
 */
export async function configSources({ options, env }: Pick<CommandContext, 'options' | 'env'>): Promise<ConfigSources> {
  const { config: fileName, ...flags } = options
  const endpoint = env['SPIFFE_ENDPOINT_SOCKET']
  const defaults = {
    sidecarId: hostname(),
    // SPIFFE Workload Endpoint standard, section 4.
    ...(endpoint === undefined ? {} : { spiffeEndpointSocket: endpoint }),
  }
  if (typeof fileName !== 'string') return { env, flags, defaults }
  return { env, flags, defaults, fileName, file: await readDocument(fileName) }
}

async function readDocument(fileName: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(fileName, 'utf8')
  } catch (cause) {
    throw new OutriderError('config-file-unreadable', `the configuration file ${fileName} cannot be read`, { cause })
  }
  // Loaded here: most sidecars have no file, and the YAML parser takes 2 MB.
  const { parseDocuments } = await import('../policy/document.ts')
  const { documents, errors } = parseDocuments(text, fileName)
  const [error] = errors
  if (error !== undefined) {
    throw new OutriderError('config-file-malformed', `${fileName}:${error.line}:${error.column}: ${error.message}`)
  }
  if (documents.length > 1) {
    throw new OutriderError('config-file-malformed', `${fileName}: holds ${documents.length} documents instead of one`)
  }
  return documents[0]?.value
}
