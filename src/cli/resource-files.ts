import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describeError, OutriderError } from '../lib/errors.ts'
import { type DocumentError, MAX_TEXT_BYTES, type ParsedDocument, parseDocuments } from '../policy/document.ts'
import type { CommandContext } from './command.ts'

export const filesOption = {
  type: 'string',
  short: 'f',
  multiple: true,
  value: 'FILE',
  doc: 'YAML or JSON file with resources, a folder of such files, or - for the standard input; may be repeated',
} as const

export interface LocatedDocument {
  readonly file: string
  readonly document: ParsedDocument
}

/** Reads the resources of all `-f`, in their order; files of a folder by name. Throws `usage-file`. */
export async function readResources(
  names: readonly string[],
  stdin: CommandContext['stdin'],
): Promise<{ documents: LocatedDocument[]; errors: DocumentError[] }> {
  if (names.length === 0) throw new OutriderError('usage-file', 'give the resources with -f FILE')
  const documents: LocatedDocument[] = []
  const errors: DocumentError[] = []
  for (const name of names) {
    for (const { file, text } of await textsOf(name, stdin)) {
      const parsed = parseDocuments(text, file)
      errors.push(...parsed.errors)
      documents.push(...parsed.documents.map((document) => ({ file, document })))
    }
  }
  return { documents, errors }
}

async function textsOf(name: string, stdin: CommandContext['stdin']): Promise<{ file: string; text: string }[]> {
  if (name === '-') return [{ file: 'stdin', text: (await readAll(stdin, MAX_TEXT_BYTES)).toString('utf8') }]
  try {
    if (!(await stat(name)).isDirectory()) return [{ file: name, text: await readFile(name, 'utf8') }]
    const files = (await readdir(name)).filter((file) => /\.(?:ya?ml|json)$/.test(file)).toSorted()
    if (files.length === 0) throw new Error('the folder has no .yaml, .yml or .json file')
    return await Promise.all(
      files.map(async (file) => ({ file: join(name, file), text: await readFile(join(name, file), 'utf8') })),
    )
  } catch (cause) {
    throw new OutriderError('usage-file', `cannot read ${name}: ${describeError(cause)}`, { place: name, cause })
  }
}

/** All of the standard input, or a little more than `limit` bytes of it: enough for the parser to say that it is too much. */
export async function readAll(stdin: CommandContext['stdin'], limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of stdin) {
    chunks.push(chunk)
    bytes += chunk.byteLength
    if (bytes > limit) break
  }
  return Buffer.concat(chunks)
}
