import { join } from 'node:path'
import { executable, missingExecutable, versionOf } from '../executables.ts'
import { freePair } from '../ports.ts'
import { Child } from '../processes.ts'
import { renderPeer } from '../template.ts'
import { runningPair, type Side, type Subject } from './subject.ts'

/** nghttpx on both sides with one worker each, HTTP/2 over mutual TLS. */
export const nghttpx: Subject = {
  name: 'nghttpx',
  available: () => missingExecutable('nghttpx'),
  version: () => `nghttpx ${versionOf('nghttpx', ['--version'], /nghttp2\/([\d.]+)/)}`,
  async start({ folder, certificates, app }) {
    const { outPort, inPort } = await freePair()
    const { ca } = certificates
    const appProtocol = app.protocol === 'grpc' ? 'h2' : 'http/1.1'
    const run = (side: 'out' | 'in', port: number, { certificate, key }: typeof certificates.app): Side => {
      const values = { ca, certificate, key, outPort, inPort, appPort: app.port, appProtocol }
      const config = renderPeer(`nghttpx-${side}.conf`, join(folder, `${side}.conf`), values)
      return { port, proxy: new Child(`nghttpx ${side}bound`, executable('nghttpx'), [`--conf=${config}`]) }
    }
    const inbound = run('in', inPort, certificates.app)
    const outbound = run('out', outPort, certificates.client)
    return runningPair(outbound, inbound, certificates)
  },
}
