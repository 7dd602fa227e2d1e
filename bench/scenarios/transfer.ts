import { bulkApp } from '../apps/bulk.ts'
import { runClient } from '../clients/run.ts'
import { type Figure, peakRss, type Values } from '../figures.ts'
import { peakRssMb } from '../measure.ts'
import { envoy } from '../subjects/envoy.ts'
import { haproxyH1, haproxyH2 } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import { outrider } from '../subjects/outrider.ts'
import { measureWindow } from '../window.ts'
import type { Contest, Scenario } from './scenario.ts'

/** Of one body. */
const BYTES = 2 ** 30

const perCpuSecond: Figure = { key: 'mbPerCpuSecond', head: 'MB per CPU s', digits: 0, over: 'median' }
const figures: readonly Figure[] = [
  { key: 'mbPerSecond', head: 'MB/s', digits: 0, over: 'median' },
  { key: 'cpuUsPerMbOut', head: 'CPU out, us/MB', digits: 0, over: 'median' },
  { key: 'cpuUsPerMbIn', head: 'CPU in, us/MB', digits: 0, over: 'median' },
  perCpuSecond,
  peakRss,
  { key: 'transfers', head: 'transfers', digits: 0, over: 'sum' },
]

/** A transfer that is not complete, or not answered with 200, ends the client, and with it the subject's part in the run. */
async function measureTransfer(contest: Contest, direction: 'down' | 'up'): Promise<Values> {
  const { running, connections, signal } = contest
  const words = { port: running.outPort, bytes: BYTES, connections, direction }
  const { result, cpuOutUs, cpuInUs } = await measureWindow(contest, async (seconds) => {
    const { transfers = 0, elapsedSeconds = 0 } = await runClient('transfer.ts', { ...words, seconds }, signal)
    return { transfers, elapsedSeconds, mb: (transfers * BYTES) / 1e6 }
  })
  const { transfers, elapsedSeconds, mb } = result
  return {
    mbPerSecond: mb / elapsedSeconds,
    cpuUsPerMbOut: cpuOutUs / mb,
    cpuUsPerMbIn: cpuInUs / mb,
    mbPerCpuSecond: mb / ((cpuOutUs + cpuInUs) / 1e6),
    rssMb: peakRssMb([...running.outPids, ...running.inPids]),
    transfers,
  }
}

export const download: Scenario = {
  name: 'download',
  question: 'What does a response body of 1 GiB cost?',
  subjects: [outrider, haproxyH1, haproxyH2, nginx, envoy],
  app: bulkApp,
  available: () => undefined,
  load: () => 'bench/clients/transfer.ts, one transfer after the other on each connection',
  connections: 1,
  rounds: 3,
  figures,
  compared: perCpuSecond,
  bars: [{ figure: perCpuSecond, relation: '>=', limit: 0.9, peers: ['nginx'] }],
  round: async (contest) => measureTransfer(contest, 'down'),
}

export const upload: Scenario = {
  ...download,
  name: 'upload',
  question: 'What does a request body of 1 GiB cost?',
  round: async (contest) => measureTransfer(contest, 'up'),
}
