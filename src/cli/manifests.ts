import { readFile } from 'node:fs/promises'
import { describeError, OutriderError } from '../lib/errors.ts'
import { MAX_MANIFEST_BYTES, type ManifestResult } from '../injector/manifest/inject-text.ts'
import { type CommandContext, exitCode } from './command.ts'
import { readAll } from './resource-files.ts'

export const manifestOption = {
  type: 'string',
  short: 'f',
  value: 'FILE',
  default: '-',
  doc: 'YAML or JSON file of Kubernetes, or - for the standard input',
} as const

export const quietOption = {
  type: 'boolean',
  short: 'q',
  doc: 'say nothing on the standard error when all went well',
} as const

/**
 * Writes what becomes of a manifest to the standard output, whole, or nothing at all: then every fault is told with file, line and
 * column. Throws `usage-file`.
 */
export async function editManifest(
  context: Pick<CommandContext, 'stdin' | 'stdout' | 'stderr'>,
  file: string,
  quiet: boolean,
  edit: (text: string) => ManifestResult,
): Promise<number> {
  const { stdout, stderr } = context
  const name = file === '-' ? 'stdin' : file
  const bytes = file === '-' ? await readAll(context.stdin, MAX_MANIFEST_BYTES) : await readOf(file)
  const result = edit(textIn(bytes, name))
  if (!result.ok) {
    for (const { code, line, column, message } of result.faults)
      stderr.write(`${name}:${line}:${column}: ${message} (${code})\n`)
    const count = result.faults.length
    stderr.write(`nothing was written: ${count === 1 ? 'one fault' : `${count} faults`}\n`)
    return exitCode.refused
  }
  stdout.write(result.text)
  if (!quiet) for (const { object, outcome } of result.templates) stderr.write(`${object}: ${words[outcome]}\n`)
  if (!quiet && result.templates.length === 0) stderr.write(`${name} has no pods\n`)
  return exitCode.ok
}

const words = {
  injected: 'injected',
  'injected-already': 'unchanged: injected already',
  disabled: 'unchanged: outrider.mesh/inject is disabled',
  restored: 'restored, byte for byte',
  removed:
    'the sidecar is removed; the pod has changed since it was injected, so the layout of its document may differ',
  'not-injected': 'unchanged: not injected',
} as const

async function readOf(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new OutriderError('usage-file', `cannot read ${file}: ${describeError(cause)}`, { place: file, cause })
  }
}

/** Bytes that are no UTF-8 could not be written as they were read. */
function textIn(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new OutriderError('manifest-refused', `${name} is not UTF-8`, { place: name })
  }
}
