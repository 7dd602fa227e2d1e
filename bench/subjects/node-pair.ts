import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Certificates, Leaf } from '../certificates.ts'
import { textAt } from '../json.ts'
import { freePair } from '../ports.ts'
import { Child } from '../processes.ts'
import { type Running, runningPair, type Subject } from './subject.ts'

/** Starts bench/peers/`program` as outbound and inbound proxy; `inArgs` go to the inbound one. */
export async function startNodePair(
  program: string,
  certificates: Certificates,
  appPort: number,
  inArgs: readonly string[] = [],
): Promise<Running> {
  const { outPort, inPort } = await freePair()
  const run = (side: 'out' | 'in', port: number, to: number, leaf: Leaf, args: readonly string[] = []): Child => {
    const places = ['--side', side, '--port', String(port), '--to', String(to)]
    const files = ['--ca', certificates.ca, '--certificate', leaf.certificate, '--key', leaf.key]
    const file = join(import.meta.dirname, '..', 'peers', program)
    return new Child(`${program} ${side}bound`, process.execPath, [file, ...places, ...files, ...args])
  }
  const inbound = run('in', inPort, appPort, certificates.app, inArgs)
  const outbound = run('out', outPort, inPort, certificates.client)
  return runningPair({ port: outPort, proxy: outbound }, { port: inPort, proxy: inbound }, certificates)
}

export const nodeHttp: Subject = {
  name: 'node-http',
  available: () => undefined,
  version: () => `node:http of Node ${process.versions.node}`,
  start: async ({ certificates, app }) => startNodePair('node-http.ts', certificates, app.port),
}

const { resolve } = createRequire(import.meta.url)

export const http2Proxy: Subject = {
  name: 'http2-proxy',
  available() {
    try {
      resolve('http2-proxy')
      return undefined
    } catch {
      return 'npm package http2-proxy not installed (it is a development dependency)'
    }
  },
  version: () => `http2-proxy ${textAt(readFileSync(resolve('http2-proxy/package.json'), 'utf8'), 'version')}`,
  start: async ({ certificates, app }) => startNodePair('http2-proxy.ts', certificates, app.port),
}
