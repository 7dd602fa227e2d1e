import { setTimeout as delay } from 'node:timers/promises'
import { smallApp } from '../apps/small.ts'
import { startClient } from '../clients/run.ts'
import { errors, type Figure, type Values } from '../figures.ts'
import { rssKib } from '../measure.ts'
import { envoy } from '../subjects/envoy.ts'
import { haproxyH2 } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import { outrider } from '../subjects/outrider.ts'
import type { Contest, Scenario } from './scenario.ts'

const perMtls: Figure = { key: 'kibPerMtlsConnection', head: 'KiB per mTLS connection', digits: 1, over: 'median' }
const perPlain: Figure = { key: 'kibPerPlainConnection', head: 'KiB per plain connection', digits: 1, over: 'median' }
const floor: Figure = { key: 'floorMb', head: 'floor, MB', digits: 1, over: 'median' }

/** Opens connections to one proxy, lets them idle for `seconds`, and closes them. Sizes are resident sets in KiB. */
async function hold(
  { app, connections, seconds, signal }: Contest,
  pids: readonly number[],
  place: { readonly port: number; readonly certificate: string; readonly key: string },
): Promise<{ floorKib: number; kibPerConnection: number; errors: number }> {
  const { path, answer } = app.exchange
  const floorKib = rssKib(pids)
  const { child, values } = await startClient('idle-connections.ts', { ...place, path, answer, connections }, signal)
  try {
    await delay(seconds * 1000, undefined, { signal })
    const open = values['open'] ?? 0
    if (open === 0) throw new Error('no connection stayed open')
    return { floorKib, kibPerConnection: (rssKib(pids) - floorKib) / open, errors: connections - open }
  } finally {
    await child.stop()
  }
}

async function measureIdle(contest: Contest): Promise<Values> {
  const { inPids, outPids, inPort, outPort, identity } = contest.running
  const mtls = await hold(contest, inPids, { port: inPort, ...identity })
  const plain = await hold(contest, outPids, { port: outPort, certificate: '', key: '' })
  return {
    floorMb: (Math.max(mtls.floorKib, plain.floorKib) * 1024) / 1e6,
    kibPerMtlsConnection: mtls.kibPerConnection,
    kibPerPlainConnection: plain.kibPerConnection,
    errors: mtls.errors + plain.errors,
  }
}

export const connections: Scenario = {
  name: 'connections',
  question: 'What memory does an idle connection take, mutual TLS at the inbound and plain at the outbound proxy?',
  subjects: [outrider, haproxyH2, nginx, envoy],
  app: smallApp,
  available: () => undefined,
  load: () => 'bench/clients/idle-connections.ts, one request on each connection',
  connections: 10_000,
  // A process that held as many before has its memory already.
  rounds: 1,
  figures: [floor, perMtls, perPlain, errors],
  compared: perMtls,
  bars: [
    { figure: perMtls, relation: '<=', limit: 75, peers: [] },
    { figure: perPlain, relation: '<=', limit: 12, peers: [] },
    { figure: floor, relation: '<=', limit: 80, peers: [] },
  ],
  round: measureIdle,
}
