import { injectorOptions } from '../../config/injector.ts'
import { loadConfig } from '../../config/load.ts'
import { startInjector } from '../../injector/injector.ts'
import { createLogger } from '../../telemetry/log.ts'
import { type Command, defineCommand, exitCode } from '../command.ts'
import { configOptions, configSources } from '../configuration.ts'
import { untilAborted } from '../until-aborted.ts'
import { programVersion } from './version.ts'

export const command: Command = defineCommand({
  name: 'injector',
  summary: 'Run the admission webhooks of Kubernetes',
  usage: '[--config FILE] [OPTION...]',
  options: configOptions(injectorOptions),
  async run(context) {
    const { clock, random, signal, stdout } = context
    const sources = await configSources(context)
    const config = loadConfig(injectorOptions, { ...sources, defaults: {} })
    const log = createLogger({ name: 'injector', level: config.logLevel, clock })
    try {
      const injector = await startInjector({ config, clock, random, log, programVersion: programVersion(), signal })
      const { address: webhooks, admin = null, health } = injector
      stdout.write(`${JSON.stringify({ ready: 'injector', webhooks, admin, health })}\n`)
      await untilAborted(signal)
      await injector.drain()
      return exitCode.ok
    } finally {
      log.flush()
    }
  },
})
