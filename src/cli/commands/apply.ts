import { unreachable } from '../../lib/unreachable.ts'
import { OutriderError } from '../../lib/errors.ts'
import { REFUSAL_TRAILER, trailerOf } from '../../rpc/errors.ts'
import { protocols } from '../../rpc/load.ts'
import type { ApplyOutcome__Output } from '../../wire/outrider/admin/v1/ApplyOutcome.ts'
import { namespaceOption, socketOption, withAdmin } from '../admin.ts'
import { canaryOf, canaryOptions, describeEvent, runCanary } from '../canary.ts'
import { type Command, defineCommand, exitCode, type Output, outputOption } from '../command.ts'
import { findingLines, lintProposed } from '../policy/proposed.ts'
import { type Json, print, printable } from '../output.ts'
import { filesOption, type LocatedDocument, readResources } from '../resource-files.ts'

export const command: Command = defineCommand({
  name: 'apply',
  summary: 'Create or change resources',
  usage: `-f FILE... [--dry-run] [--strict]
-f FILE... --canary PERCENT [--watch DURATION] [--max-denials COUNT] [--allow-quiet]`,
  options: {
    file: filesOption,
    'dry-run': { type: 'boolean', doc: 'check against the control server, store nothing' },
    strict: {
      type: 'boolean',
      doc: 'store nothing when "outrider policy lint" finds an error; without it that is a warning',
    },
    ...canaryOptions,
    namespace: namespaceOption,
    output: outputOption,
    socket: socketOption,
  },
  async run(context) {
    const { options, stdout, stderr, signal } = context
    const canary = canaryOf(options)
    if (canary !== undefined && options['dry-run'] === true) {
      throw new OutriderError('usage-canary', 'give --canary or --dry-run')
    }
    const { documents, errors } = await readResources(options.file, context.stdin)
    for (const { file, line, column, message } of errors) {
      stderr.write(`${file}:${line}:${column}: ${printable(message)}\n`)
    }
    if (errors.length > 0) return exitCode.refused
    if (documents.length === 0) throw new OutriderError('usage-file', 'there is no resource in these files')
    const dryRun = options['dry-run'] === true
    const proposed = documents.map(({ file, document }) => ({
      file,
      document: { ...document, value: inNamespace(document.value, options.namespace) },
    }))
    const texts = proposed.map(({ document }) => JSON.stringify(document.value))
    const findings = await lintProposed(proposed, context, options.strict === true)
    for (const finding of findings) stderr.write(findingLines(finding))
    if (options.strict === true && findings.length > 0) {
      stderr.write(
        `nothing was stored: lint found ${findings.length === 1 ? 'one error' : `${findings.length} errors`}\n`,
      )
      return exitCode.refused
    }
    try {
      const { revision, outcomes, step } = await withAdmin(
        // The client has to outlive the signal until the canary is taken back.
        canary === undefined ? context : { ...context, signal: new AbortController().signal },
        async (admin) =>
          canary === undefined
            ? { ...(await admin.apply({ documents: texts, dryRun })), step: 'STEP_PROMOTED' as const }
            : runCanary(admin, { ...canary, documents: texts }, signal, (event) => stderr.write(describeEvent(event))),
      )
      if (step !== 'STEP_PROMOTED') return signal.aborted ? exitCode.interrupted : exitCode.rolledBack
      const rows = outcomes.map(({ ref, change }) => ({
        kind: ref?.kind ?? '',
        namespace: ref?.namespace ?? '',
        name: ref?.name ?? '',
        change: wordOf(change),
      }))
      print(stdout, options.output, { revision, dryRun, outcomes: rows } satisfies Json, () => ({
        columns: ['KIND', 'NAMESPACE', 'NAME', dryRun ? 'WOULD BE' : 'CHANGE'],
        rows: rows.map(({ kind, namespace, name, change }) => [kind, namespace, name, change]),
        empty: 'nothing to do',
      }))
      return exitCode.ok
    } catch (thrown) {
      const refusal = thrown instanceof OutriderError ? trailerOf(thrown, REFUSAL_TRAILER) : undefined
      if (refusal === undefined) throw thrown
      printRefusal(stderr, refusal, documents)
      return exitCode.refused
    }
  },
})

/** Every violation with its place in the file, as editors and CI systems read it. */
function printRefusal(stderr: Output, refusal: Buffer, documents: readonly LocatedDocument[]): void {
  const { violations } = protocols().admin.ApplyRefusal.deserialize(refusal)
  for (const { document, field, message, code } of violations) {
    const source = documents[document]
    if (source === undefined) continue
    const { line, column } = source.document.locate(field)
    const where = field === '' ? '' : ` ${field}:`
    stderr.write(printable(`${source.file}:${line}:${column}:${where} ${message} (${code})`) + '\n')
  }
  const count = violations.length === 1 ? 'one violation' : `${violations.length} violations`
  stderr.write(`nothing was stored: ${count}\n`)
}

function inNamespace(value: unknown, namespace: string | undefined): unknown {
  if (namespace === undefined || !isMapping(value) || !isMapping(value['metadata'])) return value
  return { ...value, metadata: { namespace, ...value['metadata'] } }
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wordOf(change: ApplyOutcome__Output['change']): string {
  switch (change) {
    case 'CHANGE_CREATED':
      return 'created'
    case 'CHANGE_CONFIGURED':
      return 'configured'
    case 'CHANGE_UNCHANGED':
      return 'unchanged'
    case 'CHANGE_UNSPECIFIED':
      return '-'
    default:
      return unreachable(change)
  }
}
