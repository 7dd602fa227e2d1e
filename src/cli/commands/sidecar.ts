import { formatAddress } from '../../lib/address.ts'
import { OutriderError } from '../../lib/errors.ts'
import { loadSidecarConfig, sidecarOptions } from '../../config/sidecar.ts'
import { tuneCollector } from '../../sidecar/garbage.ts'
import { startSidecar } from '../../sidecar/sidecar.ts'
import { createLogger } from '../../telemetry/log.ts'
import { type Command, defineCommand, exitCode } from '../command.ts'
import { configOptions, configSources } from '../configuration.ts'
import { untilAborted } from '../until-aborted.ts'
import { programVersion } from './version.ts'

export const command: Command = defineCommand({
  name: 'sidecar',
  summary: 'Run the sidecar proxy of one workload',
  usage: '[--config FILE] [OPTION...]\nstatus [--admin HOST:PORT]',
  options: configOptions(sidecarOptions),
  async run(context) {
    const { args, clock, random, signal, stdout } = context
    const [verb, ...more] = args
    if (more.length > 0 || (verb !== undefined && verb !== 'status')) {
      throw new OutriderError('usage-arguments', 'status, or no word at all to run a sidecar')
    }
    const config = loadSidecarConfig(await configSources(context))
    if (verb === 'status') {
      const { showSidecar } = await import('../sidecar-status.ts')
      await showSidecar(formatAddress(config.admin), context)
      return exitCode.ok
    }
    tuneCollector()
    const log = createLogger({ name: 'sidecar', level: config.logLevel, clock })
    try {
      const sidecar = await startSidecar({ config, clock, random, log, programVersion: programVersion(), signal })
      const { captured } = sidecar
      const ready = {
        ready: 'sidecar',
        inbound: sidecar.inbound.map(formatAddress),
        outbound: sidecar.outbound === undefined ? null : formatAddress(sidecar.outbound),
        outboundServices: sidecar.outboundServices.map(formatAddress),
        ...(captured.inbound === undefined ? {} : { captureInbound: formatAddress(captured.inbound) }),
        ...(captured.outbound === undefined ? {} : { captureOutbound: formatAddress(captured.outbound) }),
        admin: formatAddress(sidecar.admin),
        health: sidecar.health === undefined ? null : formatAddress(sidecar.health),
        ...(sidecar.extAuthz === undefined ? {} : { extAuthz: sidecar.extAuthz }),
      }
      stdout.write(`${JSON.stringify(ready)}\n`)
      await untilAborted(signal)
      await sidecar.drain()
      return exitCode.ok
    } finally {
      log.flush()
    }
  },
})
