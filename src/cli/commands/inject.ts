import { loadConfig } from '../../config/load.ts'
import { injectOptions } from '../../config/injector.ts'
import { injectText } from '../../injector/manifest/inject-text.ts'
import { settingsOf } from '../../injector/settings-of.ts'
import { type Command, defineCommand } from '../command.ts'
import { configOptions, configSources } from '../configuration.ts'
import { editManifest, manifestOption, quietOption } from '../manifests.ts'
import { programVersion } from './version.ts'

const own = { file: manifestOption, quiet: quietOption } as const

export const command: Command = defineCommand({
  name: 'inject',
  summary: 'Add the sidecar to Kubernetes manifests',
  usage: '[-f FILE] [OPTION...]',
  options: { ...configOptions(injectOptions), ...own },
  async run(context) {
    const { file, quiet, ...flags } = context.options
    const sources = await configSources({ options: flags, env: context.env })
    const settings = settingsOf(loadConfig(injectOptions, { ...sources, defaults: {} }), programVersion())
    return editManifest(context, typeof file === 'string' ? file : '-', quiet === true, (text) =>
      injectText(text, settings),
    )
  },
})
