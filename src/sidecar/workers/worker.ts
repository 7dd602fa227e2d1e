// Where a worker thread begins: one data plane that is told by the main thread who it is and what it enforces.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { processMonotonic, systemClock as clock } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import { systemRandom } from '../../lib/random.ts'
import { ThreadLock } from '../../lib/thread-lock.ts'
import { unreachable } from '../../lib/unreachable.ts'
import { WatchCell } from '../../lib/watch.ts'
import { Lockout } from '../../ratelimit/lockout.ts'
import { RateLimiter } from '../../ratelimit/limiter.ts'
import { TableStore } from '../../ratelimit/tables.ts'
import { createLogger } from '../../telemetry/log.ts'
import { sidecarMetrics } from '../../telemetry/names.ts'
import { createMetrics } from '../../telemetry/registry.ts'
import { UsedProofs } from '../authentication/used-proofs.ts'
import { DataPlane } from '../data-plane.ts'
import { withChanges } from '../snapshot/changes.ts'
import { compileResources } from '../snapshot/compile.ts'
import { Balancer } from './balance.ts'
import { SentAccessLog, SentLog } from './lines.ts'
import type { Answer, FromWorker, Question, ToWorker, WorkerStart } from './messages.ts'
import { digestWith, receiveCredentials } from './sent.ts'
import { ThreadTallies } from './tallies.ts'

if (parentPort === null) throw new TypeError('this file is for worker threads')
serve(parentPort, workerData)

function serve(main: MessagePort, start: WorkerStart): void {
  const { worker, workers, config, ports, logLevel, memory, digestSecret } = start
  const post = (message: FromWorker): void => main.postMessage(message)
  const sentLog = new SentLog(post)
  const rootLog = createLogger({ name: 'sidecar', level: logLevel, clock, sink: sentLog })
  const accessLog = new SentAccessLog(post)
  const registry = createMetrics(sidecarMetrics, clock)
  const store = new TableStore({
    maxKeys: config.rateLimitMaxKeys,
    lock: new ThreadLock(memory.lock, worker),
    digest: digestWith(digestSecret),
  })
  store.adopt(start.policy.tables)
  const credentials = new WatchCell(receiveCredentials(start.credentials))
  let order = start.policy.order
  let held = withChanges(new Map(), start.policy)
  const policy = new WatchCell(compileResources(held).policy)
  const keySets = new WatchCell(start.keySets)
  const usedProofs = new UsedProofs({
    memory: memory.usedProofs,
    lock: new ThreadLock(memory.lock, worker),
    digest: digestWith(digestSecret),
    monotonic: processMonotonic,
  })
  const plane = new DataPlane({
    config,
    clock,
    random: systemRandom,
    log: rootLog.child({ worker }),
    metrics: registry.metrics,
    accessLog,
    limiter: new RateLimiter(processMonotonic, store),
    lockout: new Lockout(processMonotonic, store),
    tallies: new ThreadTallies(memory.tallies, worker - 1),
    planes: workers,
  })

  let before = performance.eventLoopUtilization()
  const balancer = new Balancer({
    memory: memory.loads,
    worker: worker - 1,
    clock,
    connections: plane.connections,
    busy: () => {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, before)
      before = now
      return utilization
    },
    moved: registry.metrics.connectionsMoved,
  })

  const answerTo = (about: Question): Answer => {
    switch (about) {
      case 'life':
        return { about }
      case 'metrics':
        return { about, metrics: registry.snapshot() }
      case 'authority-uses':
        return { about, uses: plane.connections.authorityUses() }
      case 'connections':
        return { about, connections: plane.connections.list() }
      case 'api-key-uses':
        return { about, uses: plane.apiKeyUses.take() }
      case 'tls-failures':
        return { about, failures: plane.tlsFailures.list() }
      default:
        return unreachable(about)
    }
  }

  const drain = async (): Promise<void> => {
    balancer.close()
    const inTime = await plane.drain()
    sentLog.flush()
    post({ kind: 'drained', inTime })
  }

  main.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'credentials':
        credentials.set(receiveCredentials(message.credentials))
        break
      case 'policy': {
        const { base, tables } = message.policy
        // It would enforce something that nobody has sent: better to end, and be replaced with the whole.
        if (base !== order) throw new TypeError(`policy ${message.policy.order} changes ${base}, not ${order}`)
        order = message.policy.order
        held = withChanges(held, message.policy)
        const compiled = compileResources(held, policy.current)
        store.adopt(tables)
        policy.set(compiled.policy)
        post({ kind: 'in-force', order })
        break
      }
      case 'key-sets':
        keySets.set(message.keySets)
        break
      case 'log-level':
        rootLog.level = message.level
        break
      case 'written':
        if (message.log === 'log') sentLog.written()
        else accessLog.written(message.failure)
        break
      case 'question':
        post({ kind: 'answer', id: message.id, answer: answerTo(message.about) })
        break
      case 'drain':
        void drain()
        break
      default:
        unreachable(message)
    }
  })

  const wantKeys = (uri: string): void => post({ kind: 'keys-wanted', uri })
  plane.open(credentials, { policy }, { keySets, wantKeys, usedProofs }, ports).then(
    (opened) => post({ kind: 'open', ports: opened }),
    (error: unknown) => {
      if (!(error instanceof OutriderError)) throw error
      const { code, message, place } = error
      post({ kind: 'failed', code, message, place })
    },
  )
}
