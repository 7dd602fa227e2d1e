import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { executable, missingExecutable, versionOf } from '../executables.ts'
import { freePair } from '../ports.ts'
import { Child } from '../processes.ts'
import { renderPeer } from '../template.ts'
import { runningPair, type Subject } from './subject.ts'

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

/** nginx on both sides with one worker each, HTTP/1.1 over mutual TLS: it has no HTTP/2 towards upstreams. */
export const nginx: Subject = {
  name: 'nginx',
  available: () => missingExecutable('nginx'),
  version: () => `nginx ${versionOf('nginx', ['-v'], /nginx\/([\d.]+)/)}`,
  async start({ folder, certificates, appPort }) {
    const { outPort, inPort } = await freePair()
    const { ca, client, app } = certificates
    const inValues = { ca, inPort, appPort, certificate: app.certificate, key: app.key }
    const outValues = { ca, inPort, outPort, certificate: client.certificate, key: client.key }
    const inbound = startNginx('nginx inbound', 'nginx-in.conf', folder, inValues)
    const outbound = startNginx('nginx outbound', 'nginx-out.conf', folder, outValues)
    return runningPair(outPort, outbound, inbound)
  },
}
