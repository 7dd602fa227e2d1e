import { OutriderError } from '../../lib/errors.ts'
import { namespaceOption, parseKind, socketOption, withAdmin } from '../admin.ts'
import { type Command, defineCommand, exitCode, outputOption } from '../command.ts'
import { print } from '../output.ts'
import { documentOf, resourceTable } from '../stored.ts'

export const command: Command = defineCommand({
  name: 'list',
  summary: 'List resources',
  usage: '[KIND]',
  options: {
    namespace: { ...namespaceOption, doc: 'this namespace only; all when not given' },
    output: outputOption,
    socket: socketOption,
  },
  async run(context) {
    const { args, options, stdout } = context
    if (args.length > 1) throw new OutriderError('usage-arguments', 'name one kind, or none for all')
    const kind = args[0] === undefined ? '' : parseKind(args[0])
    const namespace = options.namespace ?? ''
    const { resources } = await withAdmin(context, (admin) => admin.list({ kind, namespace }))
    print(stdout, options.output, resources.map(documentOf), () => resourceTable(resources))
    return exitCode.ok
  },
})
