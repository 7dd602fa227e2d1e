import { OutriderError } from '../../lib/errors.ts'
import { socketOption, withAdmin } from '../admin.ts'
import { type Command, defineCommand, exitCode } from '../command.ts'

export const command: Command = defineCommand({
  name: 'bundle',
  summary: 'Print a trust bundle in the SPIFFE format',
  usage: '[TRUST-DOMAIN]',
  options: { socket: socketOption },
  async run(context) {
    const { args, stdout } = context
    const [trustDomain = '', ...rest] = args
    if (rest.length > 0)
      throw new OutriderError('usage-arguments', 'name one trust domain, or none for that of the mesh')
    const { document } = await withAdmin(context, (admin) => admin.getBundle({ trustDomain }))
    // One line, which YAML contains: it can be put behind "bundle:" of a TrustDomain.
    stdout.write(`${document}\n`)
    return exitCode.ok
  },
})
