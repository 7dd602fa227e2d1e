import { describeError, OutriderError } from '../lib/errors.ts'
import { readSmallFile } from '../lib/small-file.ts'
import { type ParsedDocument, parseDocuments } from '../policy/document.ts'
import { isRecord } from './objects.ts'

export type KubeconfigErrorCode =
  | 'kubeconfig-missing'
  | 'kubeconfig-unreadable'
  | 'kubeconfig-malformed'
  | 'kubeconfig-context'
  | 'kubeconfig-insecure'
  | 'kubeconfig-unsupported'

export const sections = ['clusters', 'users', 'contexts'] as const
export type Section = (typeof sections)[number]
/** What an item of a section holds beside its name. */
const bodies = { clusters: 'cluster', users: 'user', contexts: 'context' } as const

const MAX_BYTES = 1024 * 1024
/** Rights of the group and of others to read. */
const READ_BY_OTHERS = 0o044

/** One named item of a kubeconfig file, such as a cluster. */
export interface KubeconfigItem {
  readonly file: string
  /** The text of a field; undefined when it is missing or empty. Throws `kubeconfig-malformed` for anything else. */
  text(field: string): string | undefined
  /** Whether a field is there, and says more than `false` or nothing. */
  has(field: string): boolean
  /** An error that says where the field stands. */
  fault(code: KubeconfigErrorCode, field: string, message: string, cause?: unknown): OutriderError<KubeconfigErrorCode>
}

export interface KubeconfigFile {
  readonly path: string
  readonly currentContext: string | undefined
  readonly items: Readonly<Record<Section, ReadonlyMap<string, KubeconfigItem>>>
  /** For the person who runs the command. */
  readonly warnings: readonly string[]
}

/**
 * Reads one file in the format of kubectl. Undefined when there is none. No value of it is in any error. Throws
 * `kubeconfig-unreadable` and `kubeconfig-malformed`, with file, line and column.
 */
export function readKubeconfigFile(path: string): KubeconfigFile | undefined {
  let read: { readonly text: string; readonly mode: number }
  try {
    read = readSmallFile(path, MAX_BYTES)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw new OutriderError('kubeconfig-unreadable', `the kubeconfig ${path}: ${describeError(cause)}`, {
      place: path,
      cause,
    })
  }
  const { documents, errors } = parseDocuments(read.text, path)
  const [error] = errors
  if (error !== undefined) throw malformed(path, error, 'is no YAML: it cannot be read from here on')
  if (documents.length > 1)
    throw malformed(path, { line: 1, column: 1 }, `holds ${documents.length} documents, not one`)
  const [document] = documents
  const octal = (read.mode & 0o777).toString(8)
  const exposed = (read.mode & READ_BY_OTHERS) !== 0
  return {
    path,
    ...contentOf(path, document),
    warnings: exposed ? [`${path} has mode ${octal}: others can read the credentials in it; chmod 600 ${path}`] : [],
  }
}

function contentOf(
  path: string,
  document: ParsedDocument | undefined,
): Pick<KubeconfigFile, 'currentContext' | 'items'> {
  const items = { clusters: new Map(), users: new Map(), contexts: new Map() } satisfies Record<
    Section,
    Map<string, KubeconfigItem>
  >
  // kubectl takes an empty file for one that says nothing.
  if (document === undefined) return { currentContext: undefined, items }
  const { value, locate } = document
  const wrong = (field: string, message: string): OutriderError =>
    malformed(path, locate(field), `${field}: ${message}`)
  if (!isRecord(value)) throw malformed(path, locate(''), 'is no object of kind Config')
  const { kind = 'Config', apiVersion = 'v1', 'current-context': current = '' } = value
  if (kind !== 'Config') throw wrong('kind', 'is not Config')
  if (apiVersion !== 'v1') throw wrong('apiVersion', 'is not v1')
  if (typeof current !== 'string') throw wrong('current-context', 'is no text')
  for (const section of sections) {
    const list = value[section] ?? []
    if (!Array.isArray(list)) throw wrong(section, 'is no list')
    for (const [index, entry] of list.entries()) {
      const at = `${section}[${index}]`
      const { name, [bodies[section]]: body } = isRecord(entry) ? entry : {}
      if (typeof name !== 'string' || name === '') throw wrong(at, 'has no name')
      if (!isRecord(body)) throw wrong(at, `has no ${bodies[section]}`)
      // Of two with one name kubectl takes the first.
      if (!items[section].has(name)) items[section].set(name, itemOf(path, document, `${at}.${bodies[section]}`, body))
    }
  }
  return { currentContext: current === '' ? undefined : current, items }
}

function itemOf(
  file: string,
  { locate }: ParsedDocument,
  at: string,
  body: Readonly<Record<string, unknown>>,
): KubeconfigItem {
  const fault: KubeconfigItem['fault'] = (code, field, message, cause) => {
    const place = `${at}.${field}`
    const { line, column } = locate(place)
    return new OutriderError(code, `${file}:${line}:${column}: ${place}: ${message}`, { place: file, cause })
  }
  return {
    file,
    fault,
    text(field) {
      const value = body[field]
      if (value === undefined || value === null || value === '') return undefined
      if (typeof value !== 'string') throw fault('kubeconfig-malformed', field, 'is no text')
      return value
    },
    has: (field) => ![undefined, null, false, ''].some((nothing) => body[field] === nothing),
  }
}

function malformed(
  file: string,
  { line, column }: { readonly line: number; readonly column: number },
  message: string,
): OutriderError<KubeconfigErrorCode> {
  return new OutriderError('kubeconfig-malformed', `${file}:${line}:${column}: ${message}`, { place: file })
}
