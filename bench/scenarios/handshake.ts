import { smallApp } from '../apps/small.ts'
import { runClient } from '../clients/run.ts'
import { errors, type Figure } from '../figures.ts'
import { envoy } from '../subjects/envoy.ts'
import { haproxyH2 } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import { outrider } from '../subjects/outrider.ts'
import { measureWindow } from '../window.ts'
import type { Scenario } from './scenario.ts'

const perCpuSecond: Figure = { key: 'handshakesPerCpuSecond', head: 'per CPU s', digits: 0, over: 'median' }

export const handshake: Scenario = {
  name: 'handshake',
  question: 'How many new mutual TLS 1.3 connections can the inbound proxy take, none of them resumed?',
  subjects: [outrider, haproxyH2, nginx, envoy],
  app: smallApp,
  available: () => undefined,
  load: () => 'bench/clients/handshakes.ts, which closes each connection after its handshake',
  connections: 16,
  rounds: 3,
  figures: [
    { key: 'handshakesPerSecond', head: 'handshakes/s', digits: 0, over: 'median' },
    { key: 'cpuUsPerHandshake', head: 'CPU in, us', digits: 0, over: 'median' },
    perCpuSecond,
    { key: 'handshakes', head: 'handshakes', digits: 0, over: 'sum' },
    errors,
  ],
  compared: perCpuSecond,
  bars: [{ figure: perCpuSecond, relation: '>=', limit: 0.9, peers: ['haproxy-h2'] }],
  async round(contest) {
    const { running, connections, signal } = contest
    const words = { port: running.inPort, ...running.identity, parallel: connections }
    const { result, cpuInUs } = await measureWindow(contest, async (seconds) => {
      const result = await runClient('handshakes.ts', { ...words, seconds }, signal)
      if (result['handshakes'] === 0) throw new Error('no handshake was completed')
      return result
    })
    const { handshakes = Number.NaN, perSecond = Number.NaN, errors = Number.NaN } = result
    return {
      handshakesPerSecond: perSecond,
      cpuUsPerHandshake: cpuInUs / handshakes,
      handshakesPerCpuSecond: handshakes / (cpuInUs / 1e6),
      handshakes,
      errors,
    }
  },
}
