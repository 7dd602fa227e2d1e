import { OutriderError } from '../../lib/errors.ts'
import { type Finding, rulesOf } from '../../policy/lint/finding.ts'
import { lint } from '../../policy/lint/lint.ts'
import { nameOf, resourceKey } from '../../policy/model.ts'
import { readResourceSet, type SourceDocument } from '../../policy/resource-set.ts'
import type { CommandContext } from '../command.ts'
import { printable } from '../output.ts'
import { liveDocuments } from './read.ts'

/** To compare more rules with each other would keep whoever applies one waiting. */
const MAX_RULES = 2000

type Asking = Pick<CommandContext, 'env' | 'signal' | 'clock' | 'stderr'> & {
  readonly options: { readonly socket: string | undefined }
}

/**
 * What lint calls an error in documents that are about to be applied, together with what the control server holds. Nothing for documents
 * that are not valid: the control server says that better.
 */
export async function lintProposed(
  documents: readonly SourceDocument[],
  context: Asking,
  strict: boolean,
): Promise<readonly Finding[]> {
  const proposed = readResourceSet(documents)
  if (proposed.violations.length > 0) return []
  if (!proposed.set.sources.some(({ resource }) => resource.kind === 'AuthorizationPolicy')) return []
  const replaced = new Set(proposed.set.sources.map(({ resource }) => resourceKey(nameOf(resource))))
  let held: readonly SourceDocument[]
  try {
    held = await liveDocuments(context)
  } catch (thrown) {
    // Without being asked for, lint stands in nobody's way.
    if (strict || !(thrown instanceof OutriderError)) throw thrown
    context.stderr.write(`${printable(`not linted: ${thrown.message} (${thrown.code})`)}\n`)
    return []
  }
  const live = readResourceSet(held).set.sources.filter(({ resource }) => !replaced.has(resourceKey(nameOf(resource))))
  const { set } = readResourceSet([...live, ...documents])
  if (rulesOf(set.sources).length > MAX_RULES) {
    context.stderr.write(`more than ${MAX_RULES} rules: not linted; run "outrider policy lint --live" afterwards\n`)
    return []
  }
  const files = new Set(documents.map(({ file }) => file))
  // That a workload is missing is for admission to refuse.
  return lint(set, context.clock.now()).filter(
    ({ file, level, code }) => level === 'error' && code !== 'workload-missing' && files.has(file),
  )
}

/** As editors and CI systems read it, and what to do. */
export function findingLines({ file, line, column, field, code, level, message, hint }: Finding): string {
  return `${printable(`${file}:${line}:${column}: ${level}: ${field}: ${message} (${code})`)}\n    ${printable(hint)}\n`
}
