import { join } from 'node:path'
import { executable, missingExecutable, versionOf } from '../executables.ts'
import { freePair } from '../ports.ts'
import { Child } from '../processes.ts'
import { renderPeer } from '../template.ts'
import { runningPair, type Side, type Subject } from './subject.ts'

/** HAProxy on both sides with one thread each; `alpn` is what the two speak over mutual TLS. */
function haproxy(name: string, alpn: 'h2' | 'http/1.1'): Subject {
  return {
    name,
    available: () => missingExecutable('haproxy'),
    version: () => `HAProxy ${versionOf('haproxy', ['-v'], /version ([\w.]+)/)}`,
    async start({ folder, certificates, app, maxConnections }) {
      const { outPort, inPort } = await freePair()
      const { ca } = certificates
      const proto = app.protocol === 'grpc' ? 'h2' : 'h1'
      const run = (side: 'out' | 'in', port: number, certificate: string): Side => {
        const values = { alpn, proto, ca, certificate, outPort, inPort, appPort: app.port, maxConnections }
        const config = renderPeer(`haproxy-${side}.cfg`, join(folder, `${side}.cfg`), values)
        return { port, proxy: new Child(`${name} ${side}bound`, executable('haproxy'), ['-db', '-f', config]) }
      }
      const inbound = run('in', inPort, certificates.app.combined)
      const outbound = run('out', outPort, certificates.client.combined)
      return runningPair(outbound, inbound, certificates)
    },
  }
}

export const haproxyH1: Subject = haproxy('haproxy-h1', 'http/1.1')
export const haproxyH2: Subject = haproxy('haproxy-h2', 'h2')
