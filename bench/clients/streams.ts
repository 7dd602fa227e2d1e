// Plays so many sidecars of one control server and measures what they wait for; bench/README.md has the steps.
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { buildCsr } from '../../src/identity/csr.ts'
import type { TrustBundleSet } from '../../src/identity/bundle.ts'
import { controlIdOf, parseTrustDomain } from '../../src/identity/spiffe-id.ts'
import { loadSvid, type Svid } from '../../src/identity/svid.ts'
import { type Address, parseAddress } from '../../src/lib/address.ts'
import { Backoff } from '../../src/lib/backoff.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { WatchCell } from '../../src/lib/watch.ts'
import { learnTrustBundle } from '../../src/rpc/bootstrap.ts'
import { bundlesOf } from '../../src/rpc/bundles.ts'
import { connectAdmin, connectControl } from '../../src/rpc/client.ts'
import { privateKeyPem, rootsPem } from '../../src/rpc/peer.ts'
import { parseJoinToken } from '../../src/rpc/token.ts'
import { RECONNECT } from '../../src/sidecar/snapshot/subscribe.ts'
import { TRUST_DOMAIN } from '../certificates.ts'
import { cpuMicroseconds, rssKib } from '../measure.ts'
import { PolicyPeer } from './policy-peer.ts'
import { readWords } from './words.ts'

const word = readWords(process.argv.slice(2))
const address = parseAddress(word('address'))!
const metricsAddress = word('metrics')
const server = [Number(word('pid'))]
const count = Number(word('sidecars'))
const idleMs = Number(word('seconds')) * 1000

const WORKLOADS = 20
/** With these the control server has what it has once: code that was compiled, buffers that grew. */
const FEW = 200
const ATTESTING = 16
/** The first connections come as in a rollout, not all at once. */
const OPENING = 32
const STALLED = 20
const PUSHES = 5
const RULES_EACH = 500
const POLICIES = 20
/** A name of no workload of this bench is in each rule. */
const CALLER = `spiffe://${TRUST_DOMAIN}/ns/default/sa/caller`

const admin = connectAdmin(word('socket'))
const serverId = controlIdOf(parseTrustDomain(TRUST_DOMAIN))

interface Seat {
  readonly sidecarId: string
  readonly port: number
  readonly context: SecureContext
  /** Of the control server, or of the relay before it. */
  address: Address
  peer: PolicyPeer | undefined
  readonly backoff: Backoff
}

let errors = 0
/** Told of the revision of every update, with the seat. */
let onUpdate: (seat: Seat, revision: number) => void = () => {}
let holding = true

function workloadName(index: number): string {
  return `member-${index % WORKLOADS}`
}

function resource(kind: string, name: string, spec: object): string {
  return JSON.stringify({ apiVersion: 'outrider.mesh/v1', kind, metadata: { name }, spec })
}

async function attestAll(): Promise<Seat[]> {
  const seats: Seat[] = []
  const tokens: string[] = []
  for (let index = 0; index < count; index += 1) {
    tokens.push((await admin.createToken({ workload: workloadName(index) })).token)
  }
  const { rootFingerprint } = parseJoinToken(tokens[0]!)
  const bundle = await learnTrustBundle({ address, rootFingerprint, serverId, clock: systemClock })
  const bundles = new WatchCell<TrustBundleSet>(new Map([[bundle.trustDomain, bundle]]))
  const none = new WatchCell<Svid | undefined>(undefined)
  const client = connectControl({ address, bundles, svid: none, serverId, clock: systemClock })
  const waiting = tokens.entries()
  const ca = rootsPem(bundles.current)
  await Promise.all(
    Array.from({ length: ATTESTING }, async () => {
      for (const [index, token] of waiting) {
        const { spiffeId, secret } = parseJoinToken(token)
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
        const issued = await client.attest({ joinToken: secret, csr: buildCsr(privateKey, spiffeId) })
        const svid = loadSvid(issued.chain, privateKey, bundlesOf(issued.bundles), systemClock.now())
        seats.push({
          sidecarId: `sidecar-${index}`,
          port: 20_000 + index,
          context: createSecureContext({ ca, cert: svid.chainPem, key: privateKeyPem(privateKey) }),
          address,
          peer: undefined,
          backoff: new Backoff(RECONNECT, Math.random),
        })
      }
    }),
  )
  client.close()
  return seats
}

/** Connects, and again after a loss, as a sidecar does. */
function connect(seat: Seat): void {
  seat.peer = new PolicyPeer({
    address: seat.address,
    context: seat.context,
    serverId,
    sidecarId: seat.sidecarId,
    port: seat.port,
    onUpdate: ({ revision }) => {
      seat.backoff.reset()
      onUpdate(seat, revision)
    },
    onLost: (reason) => {
      if (!holding) return
      errors += 1
      if (errors <= 5) console.error(`${seat.sidecarId}: ${reason}`)
      setTimeout(() => connect(seat), seat.backoff.next())
    },
  })
}

/** Resolves when each of `seats` has had an update of at least `revision()`; with the milliseconds that each waited. */
function reached(seats: readonly Seat[], revision: () => number): Promise<number[]> {
  const start = performance.now()
  const missing = new Set(seats)
  const took: number[] = []
  const { promise, resolve } = Promise.withResolvers<number[]>()
  onUpdate = (seat, given) => {
    if (given < revision() || !missing.delete(seat)) return
    took.push(performance.now() - start)
    if (missing.size === 0) resolve(took)
  }
  return promise
}

/** A way to the control server on which nothing is read any more after `stall`, as by a process that hangs. */
async function relay(): Promise<{ address: Address; stall: () => void; close: () => void }> {
  const fars = new Set<Socket>()
  const listener = createServer((near) => {
    const far = connectTcp({ ...address })
    fars.add(far)
    for (const socket of [near, far]) socket.on('error', () => {})
    near.pipe(far)
    far.on('data', (part) => near.write(part))
    far.on('close', () => near.destroy())
    near.on('close', () => {
      fars.delete(far)
      far.destroy()
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const bound = listener.address()
  if (bound === null || typeof bound === 'string') throw new Error('the relay has no port')
  return {
    address: { host: '127.0.0.1', port: bound.port },
    stall: () => {
      for (const far of fars) far.pause()
    },
    close: () => {
      listener.close()
    },
  }
}

async function openFew(seats: readonly Seat[]): Promise<void> {
  const waiting = seats.values()
  await Promise.all(
    Array.from({ length: OPENING }, async () => {
      for (const seat of waiting) {
        await new Promise<void>((resolve) => {
          const previous = onUpdate
          onUpdate = (updated, revision) => {
            previous(updated, revision)
            if (updated === seat) resolve()
          }
          connect(seat)
        })
      }
    }),
  )
  onUpdate = () => {}
}

/** Changes one policy that concerns every sidecar; the longest wait in milliseconds, of `seats`. */
async function push(seats: readonly Seat[], round: number, padding = 0): Promise<number> {
  let revision = Number.POSITIVE_INFINITY
  const held: [Seat, number][] = []
  const waits = reached(seats, () => revision)
  const note = onUpdate
  onUpdate = (seat, given) => {
    if (revision === Number.POSITIVE_INFINITY) held.push([seat, given])
    note(seat, given)
  }
  const rules = Array.from({ length: 1 + padding }, (_, index) => ({
    name: `round-${round}-${index}`,
    from: [{ spiffeIds: [CALLER] }],
    to: [{ paths: [`/round/${round}/${index}/{**}`] }],
  }))
  const answer = await admin.apply({ documents: [resource('AuthorizationPolicy', 'everybody', { action: 'ALLOW', rules })] })
  revision = answer.revision
  for (const [seat, given] of held) note(seat, given)
  return Math.max(...(await waits))
}

async function lagMaxMs(): Promise<number> {
  const page = await (await fetch(`http://${metricsAddress}/metrics`)).text()
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(page)?.[1] ?? Number.NaN) * 1000
}

function manyRules(policy: number, change: string): string {
  const rules = Array.from({ length: RULES_EACH }, (_, index) => ({
    name: `rule-${policy}-${index}`,
    from: [{ spiffeIds: [`${CALLER}-${index}`] }],
    to: [{ methods: ['GET'], paths: [`/api/${policy}/${index}${change}/{**}`] }],
  }))
  return resource('AuthorizationPolicy', `many-${policy}`, { workloads: ['many'], action: 'ALLOW', rules })
}

const started = performance.now()
await admin.apply({
  documents: Array.from({ length: WORKLOADS }, (_, index) =>
    resource('Workload', workloadName(index), { spiffeId: `spiffe://${TRUST_DOMAIN}/ns/default/sa/${workloadName(index)}` }),
  ),
})
const seats = await attestAll()
const way = await relay()
for (const seat of seats.slice(0, STALLED)) seat.address = way.address
const setUpS = (performance.now() - started) / 1000

await openFew(seats.slice(0, FEW))
for (let round = 0; round < PUSHES; round += 1) await push(seats.slice(0, FEW), round)
await pause(idleMs)
const rssFew = rssKib(server)
await openFew(seats.slice(FEW))
await pause(idleMs)
const kibPerSidecar = (rssKib(server) - rssFew) / (count - FEW)

const pushes: number[] = []
let before = cpuMicroseconds(server)
for (let round = 0; round < PUSHES; round += 1) pushes.push(await push(seats, PUSHES + round))
const cpuUsPerPush = (cpuMicroseconds(server) - before) / PUSHES / count

const others = seats.slice(STALLED)
way.stall()
const rssBefore = rssKib(server)
const beside: number[] = []
for (let round = 0; round < PUSHES; round += 1) beside.push(await push(others, 2 * PUSHES + round, 400))
const stalledKib = (rssKib(server) - rssBefore) / STALLED

// All of them at once, as after a restart of the control server.
for (const { peer } of seats) peer?.close()
await pause(1000)
before = cpuMicroseconds(server)
const storm = reached(seats, () => 0)
for (const seat of seats) {
  seat.address = address
  setTimeout(() => connect(seat), seat.backoff.next())
}
const waits = await storm
const cpuUsPerReconnect = (cpuMicroseconds(server) - before) / count
onUpdate = () => {}

await admin.apply({
  documents: [
    resource('Workload', 'many', { spiffeId: `spiffe://${TRUST_DOMAIN}/ns/default/sa/many` }),
    ...Array.from({ length: POLICIES }, (_, index) => manyRules(index, '')),
  ],
})
const blocked: number[] = []
for (let round = 0; round < PUSHES; round += 1) {
  await pause(500)
  await lagMaxMs()
  await admin.apply({ documents: [manyRules(round, `-${round}`)] })
  await pause(500)
  blocked.push(await lagMaxMs())
}
holding = false
for (const { peer } of seats) peer?.close()
admin.close()
way.close()
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
console.log(
  JSON.stringify({
    setUpS,
    kibPerSidecar,
    pushMs: Math.max(...pushes),
    pushMedianMs: median(pushes),
    cpuUsPerPush,
    besideMs: Math.max(...beside),
    stalledKib,
    reconnectMs: Math.max(...waits),
    reconnectMedianMs: median(waits),
    cpuUsPerReconnect,
    blockedMs: Math.max(...blocked),
    errors,
  }),
)
