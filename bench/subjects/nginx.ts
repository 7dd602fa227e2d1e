import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { executable, missingExecutable, versionOf } from '../executables.ts'
import { freePair } from '../ports.ts'
import { Child } from '../processes.ts'
import { renderPeer } from '../template.ts'
import { runningPair, type Side, type Subject } from './subject.ts'

/** Starts nginx with a configuration of bench/peers in a folder of its own below `folder`. */
export function startNginx(
  name: string,
  template: string,
  folder: string,
  values: Readonly<Record<string, string | number>>,
): Child {
  const prefix = join(folder, template)
  mkdirSync(prefix, { recursive: true })
  const config = renderPeer(template, join(prefix, 'nginx.conf'), values)
  return new Child(name, executable('nginx'), ['-e', 'stderr', '-p', prefix, '-c', config])
}

/**
 * nginx on both sides with one worker each. The hop is HTTP/1.1, which is all that it speaks to upstreams, except for gRPC:
 * its module for that speaks HTTP/2.
 */
export const nginx: Subject = {
  name: 'nginx',
  available: () => missingExecutable('nginx'),
  version: () => `nginx ${versionOf('nginx', ['-v'], /nginx\/([\d.]+)/)}`,
  async start({ folder, certificates, app, maxConnections }) {
    const { outPort, inPort } = await freePair()
    const { ca } = certificates
    const run = (side: 'out' | 'in', port: number, { certificate, key }: typeof certificates.app): Side => {
      const values = { ca, certificate, key, outPort, inPort, appPort: app.port, workerConnections: 2 * maxConnections }
      const template = app.protocol === 'grpc' ? `nginx-grpc-${side}.conf` : `nginx-${side}.conf`
      return { port, proxy: startNginx(`nginx ${side}bound`, template, folder, values) }
    }
    const inbound = run('in', inPort, certificates.app)
    const outbound = run('out', outPort, certificates.client)
    return runningPair(outbound, inbound, certificates)
  },
}
