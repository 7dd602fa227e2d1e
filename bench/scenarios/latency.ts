import { smallApp } from '../apps/small.ts'
import { runClient } from '../clients/run.ts'
import { errors, type Figure, p50, p99, requests, requestsPerSecond, valueOf, type Values } from '../figures.ts'
import { envoy } from '../subjects/envoy.ts'
import { haproxyH1, haproxyH2 } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import { outrider } from '../subjects/outrider.ts'
import type { Contest, Scenario } from './scenario.ts'

/** Requests a second: far below what any of the proxies can do, so that nothing queues for long. */
const RATE = 2000
const WARM_UP_S = 1

const addedP50: Figure = { key: 'addedP50Ms', head: 'added p50, ms', digits: 3, over: 'median' }
const addedP99: Figure = { key: 'addedP99Ms', head: 'added p99, ms', digits: 3, over: 'median' }

/** The application alone, then the same through the proxies. */
async function measureAdded({ running, app, seconds, signal }: Contest): Promise<Values> {
  const run = async (port: number, seconds: number, rate = RATE): Promise<Values> =>
    runClient('fixed-rate.ts', { port, path: app.exchange.path, rate, seconds }, signal)
  const direct = await run(app.port, seconds)
  // Slowly at first: the full rate on cold proxies opens connections by the hundred, and measures their handshakes.
  await run(running.outPort, WARM_UP_S, RATE / 10)
  await run(running.outPort, WARM_UP_S)
  const through = await run(running.outPort, seconds)
  const directP50Ms = valueOf(direct, p50)
  const directP99Ms = valueOf(direct, p99)
  return {
    ...through,
    directP50Ms,
    directP99Ms,
    addedP50Ms: valueOf(through, p50) - directP50Ms,
    addedP99Ms: valueOf(through, p99) - directP99Ms,
  }
}

export const latency: Scenario = {
  name: 'latency',
  question: `What do two sidecars add to the latency of a small request, at ${RATE} requests a second?`,
  subjects: [outrider, haproxyH1, haproxyH2, nginx, envoy],
  app: smallApp,
  available: () => undefined,
  load: () => `bench/clients/fixed-rate.ts, an open loop of ${RATE} requests a second, connections as needed`,
  connections: 1,
  rounds: 3,
  figures: [
    requestsPerSecond,
    { key: 'directP50Ms', head: 'direct p50, ms', digits: 3, over: 'median' },
    { key: 'directP99Ms', head: 'direct p99, ms', digits: 3, over: 'median' },
    p50,
    p99,
    addedP50,
    addedP99,
    requests,
    errors,
  ],
  compared: addedP50,
  bars: [],
  round: measureAdded,
}
