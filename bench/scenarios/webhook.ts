import { rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { smallApp } from '../apps/small.ts'
import { TRUST_DOMAIN } from '../certificates.ts'
import { runClient } from '../clients/run.ts'
import { type ControlServer, launcher, startControl } from '../control-server.ts'
import { errors, type Figure, p50, p99, peakRss, type Values } from '../figures.ts'
import { textAt } from '../json.ts'
import { Child } from '../processes.ts'
import { outrider } from '../subjects/outrider.ts'
import type { Contest, Scenario } from './scenario.ts'

/** A little over the bar, which is for what comes back. */
const RATE = 520
const BAR_PER_SECOND = 500
const BAR_P99_MS = 20
const BAR_RSS_MB = 256
const WARM_UP_S = 2
const NAME = 'webhook'
/** What the client asks for in place of a Service. */
const HOST = 'localhost'

const perSecond: Figure = { key: 'perSecond', head: 'reviews/s', digits: 0, over: 'median' }

/** The injector as it is run, but for the API server, which has nothing to do with what is measured. */
async function startInjector(
  control: ControlServer,
  { folder, signal }: Contest,
): Promise<{ child: Child; port: number }> {
  const spec = { spiffeId: `spiffe://${TRUST_DOMAIN}/ns/outrider-system/sa/injector`, dnsNames: [HOST] }
  const document = { apiVersion: 'outrider.mesh/v1', kind: 'Workload', metadata: { name: NAME }, spec }
  const file = join(folder, 'webhook.json')
  writeFileSync(file, JSON.stringify(document))
  await control.command('apply', '-f', file)
  const token = join(folder, 'webhook.token')
  writeFileSync(token, await control.command('token', 'create', '--workload', NAME), { mode: 0o600 })
  const flags = ['--control-address', control.grpc, '--join-token-file', token, '--service-name', HOST]
  const place = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--webhook-configuration', '']
  const child = new Child('outrider injector', process.execPath, [launcher, 'injector', ...flags, ...place])
  try {
    const address = textAt(await child.firstLine(signal), 'webhooks')
    return { child, port: Number(address.slice(address.lastIndexOf(':') + 1)) }
  } catch (error) {
    await child.stop()
    throw error
  }
}

async function round(contest: Contest): Promise<Values> {
  const { connections, seconds, signal, folder } = contest
  const data = join(folder, 'webhook-control')
  const control = await startControl(data, signal)
  try {
    const { child, port } = await startInjector(control, contest)
    try {
      const root = join(dirname(control.issuer.certificate), 'root.pem')
      const words = { port, pid: child.pid, root, connections, rate: RATE }
      const measured = await runClient('reviews.ts', { ...words, seconds, 'warm-up': WARM_UP_S }, signal)
      const { reviews = 0, cpuUs = Number.NaN } = measured
      return { ...measured, cpuUsPerReview: cpuUs / reviews }
    } finally {
      await child.stop()
    }
  } finally {
    await control.child.stop()
    rmSync(data, { recursive: true, force: true })
  }
}

export const webhook: Scenario = {
  name: NAME,
  question: `How soon are ${RATE} admission reviews a second answered, and with how much memory?`,
  subjects: [outrider],
  app: smallApp,
  available: () => undefined,
  load: () =>
    `bench/clients/reviews.ts in its own process: an open loop of ${RATE} reviews a second over TLS 1.3, six kinds of pods`,
  connections: 32,
  rounds: 3,
  figures: [
    perSecond,
    p50,
    p99,
    { key: 'lateP99Ms', head: 'of it late by the client, p99, ms', digits: 3, over: 'median' },
    { key: 'cpuUsPerReview', head: 'CPU a review, us', digits: 0, over: 'median' },
    peakRss,
    { key: 'reviews', head: 'reviews', digits: 0, over: 'sum' },
    errors,
  ],
  compared: p99,
  bars: [
    { figure: perSecond, relation: '>=', limit: BAR_PER_SECOND, peers: [] },
    { figure: p99, relation: '<=', limit: BAR_P99_MS, peers: [] },
    { figure: peakRss, relation: '<=', limit: BAR_RSS_MB, peers: [] },
  ],
  round,
}
