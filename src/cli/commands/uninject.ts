import { uninjectText } from '../../injector/manifest/uninject-text.ts'
import { type Command, defineCommand } from '../command.ts'
import { editManifest, manifestOption, quietOption } from '../manifests.ts'

export const command: Command = defineCommand({
  name: 'uninject',
  summary: 'Take the sidecar out of Kubernetes manifests',
  usage: '[-f FILE]',
  options: { file: manifestOption, quiet: quietOption },
  run: (context) => editManifest(context, context.options.file, context.options.quiet === true, uninjectText),
})
