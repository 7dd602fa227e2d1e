import { join } from 'node:path'
import { executable, missingExecutable, versionOf } from '../executables.ts'
import { freePair } from '../ports.ts'
import { Child } from '../processes.ts'
import { renderPeer } from '../template.ts'
import { runningPair, type Side, type Subject } from './subject.ts'

/** Envoy on both sides with one worker each, HTTP/2 over mutual TLS. */
export const envoy: Subject = {
  name: 'envoy',
  available: () => missingExecutable('envoy'),
  version: () => `Envoy ${versionOf('envoy', ['--version'], /version: \w+\/([\d.]+)/)}`,
  async start({ folder, certificates, app }) {
    const { outPort, inPort } = await freePair()
    const { ca } = certificates
    const appProtocol = app.protocol === 'grpc' ? 'http2_protocol_options' : 'http_protocol_options'
    const run = (side: 'out' | 'in', port: number, { certificate, key }: typeof certificates.app): Side => {
      const values = { ca, certificate, key, outPort, inPort, appPort: app.port, appProtocol }
      const config = renderPeer(`envoy-${side}.yaml`, join(folder, `${side}.yaml`), values)
      const args = ['--config-path', config, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning']
      return { port, proxy: new Child(`envoy ${side}bound`, executable('envoy'), args) }
    }
    const inbound = run('in', inPort, certificates.app)
    const outbound = run('out', outPort, certificates.client)
    return runningPair(outbound, inbound, certificates)
  },
}
