import { OutriderError } from '../../lib/errors.ts'
import { isPolicyTest } from '../../policy/cases/format.ts'
import { parseDocuments } from '../../policy/document.ts'
import {
  type LocatedViolation,
  readResourceSet,
  type ResourceSet,
  type SourceDocument,
  uncompilable,
} from '../../policy/resource-set.ts'
import { withAdmin } from '../admin.ts'
import type { Output } from '../command.ts'
import { printable } from '../output.ts'
import { readResources } from '../resource-files.ts'
import type { PolicyContext } from './context.ts'

/** The documents were read, and something is wrong with them; it has been printed. */
export class DocumentsRefused extends Error {}

export interface PolicyFiles {
  readonly set: ResourceSet
  /** Documents of kind PolicyTest. */
  readonly tests: readonly SourceDocument[]
}

/** Resources and tests of files and folders. Prints what is wrong and throws `DocumentsRefused`. */
export async function readPolicyFiles(names: readonly string[], context: PolicyContext): Promise<PolicyFiles> {
  const { documents, errors } = await readResources(names, context.stdin)
  const tests = documents.filter(({ document }) => isPolicyTest(document.value))
  const resources = documents.filter(({ document }) => !isPolicyTest(document.value))
  const { set, violations } = readResourceSet(resources)
  refuse([...errors.map((error) => ({ ...error, field: '' })), ...violations], context.stderr)
  refuse(uncompilable(set), context.stderr)
  return { set, tests }
}

export async function liveDocuments(context: Parameters<typeof withAdmin>[0]): Promise<readonly SourceDocument[]> {
  const { resources } = await withAdmin(context, (admin) => admin.list({ kind: '', namespace: '' }))
  return resources.flatMap(({ ref, document }) => {
    const file = `live:${ref?.kind ?? ''}/${ref?.namespace ?? ''}/${ref?.name ?? ''}`
    return parseDocuments(document, file).documents.map((parsed) => ({ file, document: parsed }))
  })
}

/** What the control server holds now. A place in it is the resource: `live:AuthorizationPolicy/shop/api`. */
export async function readLive(context: PolicyContext): Promise<ResourceSet> {
  const { set, violations } = readResourceSet(await liveDocuments(context))
  refuse(violations, context.stderr)
  refuse(uncompilable(set), context.stderr)
  return set
}

/** The set that `-f` or `--live` names. */
export async function readSet(context: PolicyContext): Promise<ResourceSet> {
  const { file, live } = context.options
  if (live === true && file.length > 0)
    throw new OutriderError('usage-arguments', 'give -f FILE or --live, not both: which one counts?')
  return live === true ? readLive(context) : (await readPolicyFiles(file, context)).set
}

/** Prints violations as editors and CI systems read them, and throws when there is one. */
export function refuse(violations: readonly LocatedViolation[], stderr: Output): void {
  for (const violation of violations) stderr.write(`${violationLine(violation)}\n`)
  if (violations.length > 0) throw new DocumentsRefused()
}

function violationLine({ file, line, column, field, code, message }: LocatedViolation): string {
  return printable(`${file}:${line}:${column}:${field === '' ? '' : ` ${field}:`} ${message} (${code})`)
}
