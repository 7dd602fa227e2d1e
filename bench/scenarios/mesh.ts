import { smallApp } from '../apps/small.ts'
import { missingExecutable, versionOf } from '../executables.ts'
import { cpuOfRequests, cpuPerRequest, errors, p50, p99, peakRss, requests, requestsPerSecond } from '../figures.ts'
import { envoy } from '../subjects/envoy.ts'
import { haproxyH1, haproxyH2 } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import { http2Proxy, nodeHttp } from '../subjects/node-pair.ts'
import { outrider, outriderTwoWorkers } from '../subjects/outrider.ts'
import { runWrk } from '../wrk.ts'
import { measureRequests } from './requests.ts'
import type { Scenario } from './scenario.ts'

export const mesh: Scenario = {
  name: 'mesh',
  question: 'What does a small request cost that crosses two sidecars and mutual TLS 1.3?',
  subjects: [outrider, outriderTwoWorkers, haproxyH1, haproxyH2, nginx, envoy, http2Proxy, nodeHttp],
  app: smallApp,
  available: () => missingExecutable('wrk'),
  load: () => `wrk ${versionOf('wrk', ['-v'], /wrk (?:debian\/)?([\w.]+)/)}, one thread`,
  connections: 32,
  rounds: 3,
  figures: [requestsPerSecond, ...cpuOfRequests, p50, p99, peakRss, requests, errors],
  compared: cpuPerRequest,
  bars: [
    { figure: cpuPerRequest, relation: '<=', limit: 1.3, peers: ['haproxy-h2'] },
    { figure: cpuPerRequest, relation: '<=', limit: 0.8, peers: ['haproxy-h1'] },
    { figure: cpuPerRequest, relation: '<=', limit: 0.8, peers: ['nginx'] },
    { figure: cpuPerRequest, relation: '<=', limit: 0.7, peers: ['envoy'] },
  ],
  round: async (contest) => measureRequests(contest, runWrk),
}

export const meshOneConnection: Scenario = {
  ...mesh,
  name: 'mesh-c1',
  question: 'What latency do two sidecars add when one request is in flight, so that nothing can be batched?',
  connections: 1,
  compared: p50,
  bars: [
    { figure: p50, relation: '<=', limit: 1.3, peers: ['haproxy-h2'] },
    { figure: p50, relation: '<=', limit: 1.3, peers: ['haproxy-h1'] },
  ],
}

export const meshManyConnections: Scenario = {
  ...mesh,
  name: 'mesh-c128',
  question: 'What does the small request of mesh cost when 128 are in flight?',
  connections: 128,
}
