import { join } from 'node:path'
import { executable, missingExecutable, versionOf } from '../executables.ts'
import { freePair } from '../ports.ts'
import { Child } from '../processes.ts'
import { renderPeer } from '../template.ts'
import { runningPair, type Subject } from './subject.ts'

/** HAProxy on both sides with one thread each; `alpn` is what the two speak over mutual TLS. */
function haproxy(name: string, alpn: 'h2' | 'http/1.1'): Subject {
  return {
    name,
    available: () => missingExecutable('haproxy'),
    version: () => `HAProxy ${versionOf('haproxy', ['-v'], /version ([\w.]+)/)}`,
    async start({ folder, certificates, appPort }) {
      const { outPort, inPort } = await freePair()
      const { ca, client, app } = certificates
      const run = (side: 'out' | 'in', values: Readonly<Record<string, string | number>>): Child => {
        const config = renderPeer(`haproxy-${side}.cfg`, join(folder, `${side}.cfg`), { alpn, ca, inPort, ...values })
        return new Child(`${name} ${side}bound`, executable('haproxy'), ['-db', '-f', config])
      }
      const inbound = run('in', { certificate: app.combined, appPort })
      const outbound = run('out', { certificate: client.combined, outPort })
      return runningPair(outPort, outbound, inbound)
    },
  }
}

export const haproxyH1: Subject = haproxy('haproxy-h1', 'http/1.1')
export const haproxyH2: Subject = haproxy('haproxy-h2', 'h2')
