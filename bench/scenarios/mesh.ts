import { missingExecutable } from '../executables.ts'
import { runWrk } from '../load.ts'
import { envoy } from '../subjects/envoy.ts'
import { haproxyH1, haproxyH2 } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import { http2Proxy, nodeHttp } from '../subjects/node-pair.ts'
import { outrider } from '../subjects/outrider.ts'
import type { Scenario } from './scenario.ts'

export const mesh: Scenario = {
  name: 'mesh',
  question: 'What does a small request cost that crosses two sidecars and mutual TLS 1.3?',
  subjects: [outrider, haproxyH1, haproxyH2, nginx, envoy, http2Proxy, nodeHttp],
  available: () => missingExecutable('wrk'),
  connections: 32,
  host: 'app',
  load: runWrk,
}

export const meshOneConnection: Scenario = {
  ...mesh,
  name: 'mesh-c1',
  question: 'What latency do two sidecars add when one request is in flight, so that nothing can be batched?',
  connections: 1,
}
