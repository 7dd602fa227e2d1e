import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package-root.ts'
import { issue, TRUST_DOMAIN } from '../certificates.ts'
import { launcher, startControl } from '../control-server.ts'
import { textAt } from '../json.ts'
import { Child } from '../processes.ts'
import type { Environment, Subject } from './subject.ts'

/** Rules of the authorization policy; the last one admits the bench's request. */
const RULES = 100

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1))
const idOf = (workload: string): string => `spiffe://${TRUST_DOMAIN}/ns/default/sa/${workload}`

/** Rules like those of a grown policy: exact paths, prefixes and templates, each for some callers of its own. */
function decoyRule(index: number): object {
  const paths = [
    `/v1/records/${index}`,
    `/v1/files/${index}/*`,
    `/v1/teams/{*}/reports/${index}`,
    `/v1/trees/${index}/{**}`,
  ]
  return {
    name: `decoy-${index}`,
    from: [{ spiffeIds: [idOf(`caller-${index}`), idOf(`caller-${index + 1}`), idOf('client')] }],
    to: [{ methods: ['GET', 'POST'], paths: [paths[index % paths.length]] }],
  }
}

function resources({ port, protocol, exchange }: Environment['app']): string {
  const paths = [new URL(exchange.path, 'http://app').pathname]
  const bench = { name: 'request', from: [{ spiffeIds: [idOf('client')] }], to: [{ methods: ['GET', 'POST'], paths }] }
  const rules = [...Array.from({ length: RULES - 1 }, (_, index) => decoyRule(index)), bench]
  const limits = [{ name: 'per-caller', key: 'identity', requests: 1_000_000, per: '1s' }]
  const documents: readonly (readonly [kind: string, name: string, spec: object])[] = [
    ['Workload', 'client', { spiffeId: idOf('client') }],
    ['Workload', 'app', { spiffeId: idOf('app') }],
    ['Service', 'app', { ports: [{ port: 80, targetPort: port, protocol }], workloads: ['app'] }],
    ['AuthorizationPolicy', 'bench', { workloads: ['app'], action: 'ALLOW', rules }],
    ['RateLimit', 'bench', { workloads: ['app'], limits }],
  ]
  return documents
    .map(([kind, name, spec]) => ({ apiVersion: 'outrider.mesh/v1', kind, metadata: { name }, spec }))
    .map((document) => JSON.stringify(document, null, 2))
    .join('\n---\n')
}

const subject = (name: string, flags: readonly string[]): Subject => ({
  name,
  available: () =>
    [join(packageRoot, 'src', 'main.ts'), join(packageRoot, 'dist', 'main.js')].some((file) => existsSync(file))
      ? undefined
      : 'neither src/main.ts nor dist/main.js found',
  version: () =>
    `Outrider ${textAt(readFileSync(join(packageRoot, 'package.json'), 'utf8'), 'version')} on Node ${process.versions.node}`,
  async start({ folder, app, maxConnections, signal, profileFolder }) {
    const children: Child[] = []
    const stop = async (): Promise<void> => {
      for (const child of children.toReversed()) await child.stop()
    }
    const run = (
      name: string,
      args: readonly string[],
      env: Readonly<Record<string, string>> = {},
      nodeOptions: readonly string[] = [],
    ): Child => {
      const words = [...nodeOptions, launcher, ...args]
      const child = new Child(`outrider ${name}`, process.execPath, words, { env, cwd: folder })
      children.push(child)
      return child
    }
    const profiled = (name: string): string[] =>
      profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profileFolder, name)}`]
    try {
      const control = await startControl(join(folder, 'control'), signal)
      children.push(control.child)
      const { command } = control

      const file = join(folder, 'resources.yaml')
      writeFileSync(file, resources(app))
      await command('apply', '-f', file)

      const limits = ['--max-connections', String(maxConnections)]
      const sidecar = async (
        name: string,
        inbound: string,
        outbound: string,
      ): Promise<{ pid: number; ready: string }> => {
        const token = await command('token', 'create', '--workload', `default/${name}`, '-o', 'json')
        const listeners = ['--inbound', inbound, '--outbound', outbound, '--admin', '127.0.0.1:0', ...limits, ...flags]
        const args = ['sidecar', '--control-address', control.grpc, ...listeners]
        const env = { OUTRIDER_JOIN_TOKEN: textAt(token, 'token') }
        const child = run(`sidecar of ${name}`, args, env, profiled(name))
        return { pid: child.pid, ready: await child.firstLine(signal) }
      }
      const inbound = await sidecar('app', `127.0.0.1:0=${app.protocol}://127.0.0.1:${app.port}`, '')
      const outbound = await sidecar('client', '', '127.0.0.1:0')
      return {
        outPort: portOf(textAt(outbound.ready, 'outbound')),
        inPort: portOf(textAt(inbound.ready, 'inbound', '0')),
        // A client of the hop that is no sidecar: the mesh's own authority vouches for it.
        identity: await issue(folder, 'client', control.issuer, signal),
        outPids: [outbound.pid],
        inPids: [inbound.pid],
        crash: () => children.map((child) => child.crash).find((crash) => crash !== undefined),
        stop,
      }
    } catch (error) {
      await stop()
      throw error
    }
  },
})

/**
 * Outrider as it is run: a control server that issues the identities and streams the policy, and two sidecars. 100
 * authorization rules, one rate limit and the metrics are on.
 */
export const outrider: Subject = subject('outrider', [])

/** The same with two worker threads in each sidecar. */
export const outriderTwoWorkers: Subject = subject('outrider-w2', ['--workers', '2'])
