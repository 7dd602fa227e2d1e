// Compiles 10 000 rules as a sidecar does, from nothing and when one of them has changed, and takes the time and the memory.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { systemClock } from '../../src/lib/clock.ts'
import { compilePolicy } from '../../src/policy/compile.ts'
import type { AuthorizationPolicy, AuthorizationRule, ResolvedResource } from '../../src/policy/model.ts'
import { toWire } from '../../src/policy/wire.ts'
import { OwnBuckets } from '../../src/ratelimit/buckets.ts'
import { protocols } from '../../src/rpc/load.ts'
import { changesBetween, withChanges } from '../../src/sidecar/snapshot/changes.ts'
import { compileResources } from '../../src/sidecar/snapshot/compile.ts'
import { takeUpdate } from '../../src/sidecar/snapshot/path.ts'
import { type HeldResources, Snapshot } from '../../src/sidecar/snapshot/snapshot.ts'
import { createLogger } from '../../src/telemetry/log.ts'
import { sidecarMetrics } from '../../src/telemetry/names.ts'
import { createMetrics } from '../../src/telemetry/registry.ts'
import { mixedPolicies, workload } from '../policies.ts'
import { readWords } from './words.ts'

const RULES = 10_000
const MB = 1024 * 1024

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')
const { responseSerialize, responseDeserialize } = protocols().policy.PolicyService.service.Subscribe
const forMs = (Number(readWords(process.argv.slice(2))('seconds')) * 1000) / 2

function heap(): number {
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

function bytesOf(revision: number, changed: readonly ResolvedResource[]): Buffer {
  const messages = changed.map((resource) => toWire(resource, revision))
  return responseSerialize({ revision, nonce: `n${revision}`, changed: messages, removed: [] })
}

function timed<T>(work: () => T): { ms: number; result: T } {
  const start = performance.now()
  const result = work()
  return { ms: performance.now() - start, result }
}

function medianOf(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN
}

/** Does `work` again and again for `forMs`, three times at least. */
function times(work: (turn: number) => number): readonly number[] {
  const taken: number[] = []
  for (const start = performance.now(); taken.length < 3 || performance.now() - start < forMs; )
    taken.push(work(taken.length))
  return taken
}

/** One rule, the one in the middle, asks for one method more. */
function changed(policy: AuthorizationPolicy, turn: number): AuthorizationPolicy {
  const middle = policy.spec.rules.length >> 1
  const rules = policy.spec.rules.map(
    (rule, index): AuthorizationRule =>
      index === middle ? { ...rule, to: [{ ...rule.to?.[0], methods: ['GET', `M${turn}`] }] } : rule,
  )
  return { ...policy, spec: { ...policy.spec, rules } }
}

const registry = createMetrics(sidecarMetrics, systemClock)
const log = createLogger({ name: 'sidecar', level: 'error', clock: systemClock, sink: { write: () => {} } })
const snapshot = new Snapshot(systemClock, new OwnBuckets(), registry.metrics, log)
const take = (bytes: Buffer): number =>
  timed(() => {
    const answer = takeUpdate(responseDeserialize(bytes), snapshot)
    if (answer.ack === undefined) throw new Error(JSON.stringify(answer))
  }).ms

const policies = mixedPolicies(RULES)
const rules = policies.reduce((sum, { spec }) => sum + spec.rules.length, 0)
const whole = bytesOf(1, [workload, ...policies])

const before = heap()
const firstMs = take(whole)
const both = heap()
const compiled = [compileResources(snapshot.held)]
const compiledBytes = heap() - both
compiled.pop()

const fresh = times(() => timed(() => compilePolicy({ workload, policies, limits: [], services: [] })).ms)

let held = snapshot.held
let heldInWorker: HeldResources = structuredClone(held)
let inWorker = compileResources(heldInWorker).policy
let revision = 1
const workerTimes: number[] = []
const mainTimes = times((turn) => {
  revision += 1
  const bytes = bytesOf(revision, [changed(policies[turn % policies.length]!, turn)])
  const ms = take(bytes)
  const sent = timed(() => structuredClone(changesBetween(held, snapshot.held)))
  held = snapshot.held
  const worker = timed(() => {
    heldInWorker = withChanges(heldInWorker, sent.result)
    inWorker = compileResources(heldInWorker, inWorker).policy
  })
  workerTimes.push(sent.ms + worker.ms)
  return ms + sent.ms
})
registry.destroy()

console.log(
  JSON.stringify({
    rules,
    compileMs: medianOf(fresh),
    slowestCompileMs: Math.max(...fresh),
    firstMs,
    changeMs: medianOf(mainTimes),
    slowestChangeMs: Math.max(...mainTimes),
    workerChangeMs: medianOf(workerTimes),
    slowestWorkerChangeMs: Math.max(...workerTimes),
    changes: mainTimes.length,
    wholeMb: whole.length / MB,
    bytesPerRule: (both - before) / rules,
    compiledBytesPerRule: compiledBytes / rules,
  }),
)
