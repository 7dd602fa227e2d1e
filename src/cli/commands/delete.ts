import { OutriderError } from '../../lib/errors.ts'
import { type Kind, nameOf, type ResourceName } from '../../policy/model.ts'
import { validateResource } from '../../policy/validate.ts'
import { namespaceOption, parseKind, parseName, socketOption, withAdmin } from '../admin.ts'
import { type Command, type CommandContext, defineCommand, exitCode } from '../command.ts'
import { filesOption, readResources } from '../resource-files.ts'

/** What names others goes before what is named. */
const ORDER: readonly Kind[] = [
  'AuthorizationPolicy',
  'RateLimit',
  'Revocation',
  'MeshConfig',
  'Service',
  'Workload',
  'TrustDomain',
]

export const command: Command = defineCommand({
  name: 'delete',
  summary: 'Delete resources',
  usage: 'KIND NAME\n-f FILE...',
  options: { file: filesOption, namespace: namespaceOption, socket: socketOption },
  async run(context) {
    const { options, stdout } = context
    const names = await namesOf(context.args, options.file, options.namespace, context.stdin)
    await withAdmin(context, async (admin) => {
      for (const ref of names) {
        await admin.delete({ ref })
        stdout.write(`${ref.kind} ${ref.namespace}/${ref.name} deleted\n`)
      }
    })
    return exitCode.ok
  },
})

async function namesOf(
  args: readonly string[],
  files: readonly string[],
  namespace: string | undefined,
  stdin: CommandContext['stdin'],
): Promise<readonly ResourceName[]> {
  const [kind, name, ...rest] = args
  if (files.length === 0 && kind !== undefined && name !== undefined && rest.length === 0) {
    return [{ kind: parseKind(kind), ...parseName(name, namespace) }]
  }
  if (files.length === 0 || args.length > 0) {
    throw new OutriderError('usage-arguments', 'name one resource with KIND NAME, or several with -f FILE')
  }
  const { documents, errors } = await readResources(files, stdin)
  const [error] = errors
  if (error !== undefined) throw new OutriderError('usage-file', `${error.file}:${error.line}: ${error.message}`)
  const names = documents.map(({ file, document }) => {
    const result = validateResource(document.value)
    if (result.ok) return nameOf(result.resource)
    const [violation] = result.violations
    const { line } = document.locate(violation?.field ?? '')
    throw new OutriderError('usage-file', `${file}:${line}: ${violation?.field ?? ''}: ${violation?.message ?? ''}`)
  })
  return names.toSorted((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
}
