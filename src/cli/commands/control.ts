import { controlOptions, loadControlConfig } from '../../config/control.ts'
import { startControl } from '../../control/control.ts'
import { boundYoungGeneration } from '../../control/garbage.ts'
import { drain } from '../../lib/drain.ts'
import { loadPeerCredentials } from '../../lib/peer-credentials.ts'
import { createLogger } from '../../telemetry/log.ts'
import { type Command, defineCommand, exitCode } from '../command.ts'
import { configOptions, configSources } from '../configuration.ts'
import { untilAborted } from '../until-aborted.ts'
import { programVersion } from './version.ts'

/** Calls in flight are short; streams are ended at once. */
const DRAIN_MS = 5_000

export const command: Command = defineCommand({
  name: 'control',
  summary: 'Run the control server',
  usage: '--data DIR [OPTION...]',
  options: configOptions(controlOptions),
  async run(context) {
    const { clock, random, signal, stdout } = context
    const config = loadControlConfig(await configSources(context))
    const log = createLogger({ name: 'control', level: config.logLevel, clock })
    try {
      const credentialsOf = config.attestSocket === undefined ? undefined : await loadPeerCredentials()
      const server = await startControl(config, {
        clock,
        random,
        log,
        programVersion: programVersion(),
        ...(credentialsOf && { credentialsOf }),
      })
      boundYoungGeneration()
      const {
        grpcAddress: grpc,
        adminSocket,
        adminAddress: admin = null,
        healthAddress: health,
        bundleEndpoint,
      } = server
      stdout.write(`${JSON.stringify({ ready: 'control', grpc, adminSocket, admin, health, bundleEndpoint })}\n`)
      await untilAborted(signal)
      await drain([server], DRAIN_MS, clock)
      log.info({}, 'control server has stopped')
      return exitCode.ok
    } finally {
      log.flush()
    }
  },
})
