import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { smallApp } from '../apps/small.ts'
import { runClient } from '../clients/run.ts'
import { startControl } from '../control-server.ts'
import { errors, type Figure, type Values } from '../figures.ts'
import { outrider } from '../subjects/outrider.ts'
import type { Contest, Scenario } from './scenario.ts'

const CHANGES = 20

const push: Figure = { key: 'pushMs', head: 'push, ms', digits: 0, over: 'median' }
const kibPerSidecar: Figure = { key: 'kibPerSidecar', head: 'KiB per sidecar', digits: 1, over: 'median' }
const besideStalled: Figure = { key: 'besideStalledMs', head: 'push beside stalled, ms', digits: 0, over: 'median' }
const reconnect: Figure = { key: 'reconnectMs', head: 'all reconnected, ms', digits: 0, over: 'median' }
const blocked: Figure = { key: 'blockedMs', head: 'blocked, ms', digits: 1, over: 'median' }

/** No limit of its own on how many certificates it signs: they are made before anything is measured. */
const flags = ['--sign-per-second', '100000', '--attest-burst', '100000']

async function round({ connections, seconds, signal, folder }: Contest): Promise<Values> {
  const data = join(folder, 'stream-control')
  const delays = join(folder, 'loop-delay')
  const preload = join(import.meta.dirname, '..', 'clients', 'loop-delay.ts')
  const env = { NODE_OPTIONS: `--import ${preload}`, OUTRIDER_BENCH_LOOP_DELAY: delays }
  const control = await startControl(data, signal, flags, env)
  try {
    const server = { address: control.grpc, socket: control.socket, pid: control.child.pid }
    const streams = await runClient('streams.ts', { ...server, sidecars: connections, seconds }, signal)
    const rules = await runClient('many-rules.ts', { ...server, delays, changes: CHANGES }, signal)
    return { ...streams, ...rules }
  } finally {
    await control.child.stop()
    rmSync(data, { recursive: true, force: true })
  }
}

export const stream: Scenario = {
  name: 'stream',
  question: 'How many sidecars can one control server hold, how soon has each a change, and what does it cost?',
  subjects: [outrider],
  app: smallApp,
  available: () => undefined,
  load: () =>
    'bench/clients/streams.ts, one process that plays all sidecars; bench/clients/many-rules.ts, one sidecar with 10 000 rules',
  connections: 2000,
  rounds: 3,
  figures: [
    push,
    { key: 'cpuUsPerPush', head: 'CPU a sidecar, us', digits: 0, over: 'median' },
    besideStalled,
    kibPerSidecar,
    reconnect,
    { key: 'cpuUsPerReconnect', head: 'CPU a reconnect, us', digits: 0, over: 'median' },
    blocked,
    { key: 'blockedMaxMs', head: 'longest', digits: 1, over: 'highest' },
    errors,
  ],
  compared: push,
  bars: [
    { figure: push, relation: '<=', limit: 1000, peers: [] },
    { figure: besideStalled, relation: '<=', limit: 1000, peers: [] },
    { figure: kibPerSidecar, relation: '<=', limit: 60, peers: [] },
    { figure: reconnect, relation: '<=', limit: 15_000, peers: [] },
    { figure: blocked, relation: '<=', limit: 20, peers: [] },
  ],
  round,
}
