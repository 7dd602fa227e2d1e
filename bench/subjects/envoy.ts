import { join } from 'node:path'
import { executable, missingExecutable, versionOf } from '../executables.ts'
import { freePair } from '../ports.ts'
import { Child } from '../processes.ts'
import { renderPeer } from '../template.ts'
import { runningPair, type Subject } from './subject.ts'

/** Envoy on both sides with one worker each, HTTP/2 over mutual TLS. */
export const envoy: Subject = {
  name: 'envoy',
  available: () => missingExecutable('envoy'),
  version: () => `Envoy ${versionOf('envoy', ['--version'], /version: \w+\/([\d.]+)/)}`,
  async start({ folder, certificates, appPort }) {
    const { outPort, inPort } = await freePair()
    const { ca, client, app } = certificates
    const run = (side: 'out' | 'in', values: Readonly<Record<string, string | number>>): Child => {
      const config = renderPeer(`envoy-${side}.yaml`, join(folder, `${side}.yaml`), { ca, inPort, ...values })
      const args = ['--config-path', config, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning']
      return new Child(`envoy ${side}bound`, executable('envoy'), args)
    }
    const inbound = run('in', { certificate: app.certificate, key: app.key, appPort })
    const outbound = run('out', { certificate: client.certificate, key: client.key, outPort })
    return runningPair(outPort, outbound, inbound)
  },
}
