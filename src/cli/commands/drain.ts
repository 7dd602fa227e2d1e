import { type Command, defineCommand, exitCode } from '../command.ts'
import { announceDrain, sidecarOption } from '../sidecar-page.ts'

export const command: Command = defineCommand({
  name: 'drain',
  summary: 'Have the peers of a sidecar choose others, while it still serves',
  usage: '[--sidecar HOST:PORT]',
  options: { sidecar: sidecarOption },
  async run(context) {
    const { sidecar } = context.options
    await announceDrain(sidecar, context)
    context.stdout.write(`the sidecar at ${sidecar} is draining: it serves until it is told to stop\n`)
    return exitCode.ok
  },
})
