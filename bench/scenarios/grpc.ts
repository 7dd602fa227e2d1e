import { grpcApp } from '../apps/grpc.ts'
import { missingExecutable, versionOf } from '../executables.ts'
import { cpuOfRequests, cpuPerRequest, errors, type Figure, peakRss, requests, requestsPerSecond } from '../figures.ts'
import { runH2load, STREAMS } from '../h2load.ts'
import { envoy } from '../subjects/envoy.ts'
import { haproxyH2 } from '../subjects/haproxy.ts'
import { nghttpx } from '../subjects/nghttpx.ts'
import { nginx } from '../subjects/nginx.ts'
import { outrider } from '../subjects/outrider.ts'
import { measureRequests } from './requests.ts'
import type { Scenario } from './scenario.ts'

const mean: Figure = { key: 'meanMs', head: 'mean, ms', digits: 3, over: 'median' }

export const grpc: Scenario = {
  name: 'grpc',
  question: 'What does a unary gRPC call cost, HTTP/2 from the client to the service?',
  subjects: [outrider, haproxyH2, nghttpx, envoy, nginx],
  app: grpcApp,
  available: () => missingExecutable('h2load'),
  load: () =>
    `h2load ${versionOf('h2load', ['--version'], /nghttp2\/([\d.]+)/)}, one thread, ${STREAMS} calls in flight on each connection`,
  connections: 4,
  rounds: 3,
  figures: [requestsPerSecond, ...cpuOfRequests, mean, peakRss, requests, errors],
  compared: cpuPerRequest,
  bars: [
    { figure: cpuPerRequest, relation: '<=', limit: 1.3, peers: ['haproxy-h2', 'nghttpx'] },
    { figure: cpuPerRequest, relation: '<', limit: 1, peers: ['envoy'] },
  ],
  round: async (contest) =>
    measureRequests(contest, async (options) => runH2load(options, contest.app.exchange, contest.folder)),
}
