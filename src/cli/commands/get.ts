import { OutriderError } from '../../lib/errors.ts'
import { namespaceOption, parseKind, parseName, socketOption, withAdmin } from '../admin.ts'
import { type Command, defineCommand, exitCode, outputOption } from '../command.ts'
import { print } from '../output.ts'
import { documentOf, resourceTable } from '../stored.ts'

export const command: Command = defineCommand({
  name: 'get',
  summary: 'Show one resource',
  usage: 'KIND NAME',
  options: { namespace: namespaceOption, output: outputOption, socket: socketOption },
  async run(context) {
    const { args, options, stdout } = context
    const [kind, name, ...rest] = args
    if (kind === undefined || name === undefined || rest.length > 0) {
      throw new OutriderError('usage-arguments', 'name one resource: KIND NAME')
    }
    const ref = { kind: parseKind(kind), ...parseName(name, options.namespace) }
    const stored = await withAdmin(context, (admin) => admin.get({ ref }))
    print(stdout, options.output, documentOf(stored), () => resourceTable([stored]))
    return exitCode.ok
  },
})
