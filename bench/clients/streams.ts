// Plays so many sidecars of one control server and measures what they wait for; bench/README.md has the steps.
import { once } from 'node:events'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type Address, parseAddress } from '../../src/lib/address.ts'
import { connectAdmin } from '../../src/rpc/client.ts'
import { TRUST_DOMAIN } from '../certificates.ts'
import { cpuMicroseconds, rssKib } from '../measure.ts'
import { attestSeats, PolicySeat, type SeatEvents } from './policy-seats.ts'
import { readWords } from './words.ts'

const word = readWords(process.argv.slice(2))
const address = parseAddress(word('address'))!
const server = [Number(word('pid'))]
const count = Number(word('sidecars'))
const idleMs = Number(word('seconds')) * 1000

const WORKLOADS = 20
/** With these the control server has what it has once: code that was compiled, buffers that grew. */
const FEW = 200
/** The first connections come as in a rollout, not all at once. */
const OPENING = 32
const STALLED = 20
const PUSHES = 5
/** Rules of the update that the stalled ones do not read. */
const LARGE = 100
const CALLER = `spiffe://${TRUST_DOMAIN}/ns/default/sa/caller`

const admin = connectAdmin(word('socket'))
let errors = 0
let holding = true
/** Told of every update, with its revision. */
let onUpdate: (seat: PolicySeat, revision: number) => void = () => {}

function eventsOf(seat: PolicySeat): SeatEvents {
  return {
    onUpdate: (revision) => onUpdate(seat, revision),
    onLost: (reason) => {
      if (!holding) return
      errors += 1
      if (errors <= 5) console.error(`${seat.sidecarId}: ${reason}`)
    },
  }
}

function workloadName(index: number): string {
  return `member-${index % WORKLOADS}`
}

function resource(kind: string, name: string, spec: object): string {
  return JSON.stringify({ apiVersion: 'outrider.mesh/v1', kind, metadata: { name }, spec })
}

/** Resolves with the milliseconds that each of `seats` waited for an update of at least `revision()`. */
function reached(seats: readonly PolicySeat[], revision: () => number): Promise<number[]> {
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

async function open(seats: readonly PolicySeat[]): Promise<void> {
  const waiting = seats.values()
  const opened = new Map<PolicySeat, () => void>()
  onUpdate = (seat) => opened.get(seat)?.()
  await Promise.all(
    Array.from({ length: OPENING }, async () => {
      for (const seat of waiting) {
        await new Promise<void>((resolve) => {
          opened.set(seat, resolve)
          seat.connect(eventsOf(seat))
        })
      }
    }),
  )
  onUpdate = () => {}
}

/** Changes one policy that concerns every sidecar; the longest wait of `seats`, in milliseconds, from the call on. */
async function push(seats: readonly PolicySeat[], round: number, size: number): Promise<number> {
  let revision = Number.POSITIVE_INFINITY
  const early: [PolicySeat, number][] = []
  const waits = reached(seats, () => revision)
  const note = onUpdate
  // Some have the update before the answer tells its revision.
  onUpdate = (seat, given) => {
    if (revision === Number.POSITIVE_INFINITY) early.push([seat, given])
    note(seat, given)
  }
  const rules = Array.from({ length: size }, (_, index) => ({
    name: `round-${round}-${index}`,
    from: [{ spiffeIds: [CALLER] }],
    to: [{ paths: [`/round/${round}/${index}/{**}`] }],
  }))
  const policy = resource('AuthorizationPolicy', 'everybody', { action: 'ALLOW', rules })
  revision = (await admin.apply({ documents: [policy] })).revision
  for (const [seat, given] of early) note(seat, given)
  return Math.max(...(await waits))
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

await admin.apply({
  documents: Array.from({ length: WORKLOADS }, (_, index) =>
    resource('Workload', workloadName(index), {
      spiffeId: `spiffe://${TRUST_DOMAIN}/ns/default/sa/${workloadName(index)}`,
    }),
  ),
})
const seats = await attestSeats(
  word('address'),
  admin,
  Array.from({ length: count }, (_, index) => workloadName(index)),
)
const way = await relay()
for (const seat of seats.slice(0, STALLED)) seat.address = way.address

await open(seats.slice(0, FEW))
for (let round = 0; round < PUSHES; round += 1) await push(seats.slice(0, FEW), round, 1)
await pause(idleMs)
const rssFew = rssKib(server)
await open(seats.slice(FEW))
await pause(idleMs)
const kibPerSidecar = (rssKib(server) - rssFew) / (count - FEW)

const pushes: number[] = []
let before = cpuMicroseconds(server)
for (let round = 0; round < PUSHES; round += 1) pushes.push(await push(seats, PUSHES + round, 1))
const cpuUsPerPush = (cpuMicroseconds(server) - before) / PUSHES / count

way.stall()
const others = seats.slice(STALLED)
const beside: number[] = []
for (let round = 0; round < PUSHES; round += 1) beside.push(await push(others, 2 * PUSHES + round, LARGE))

// All of them lose their streams at once, as by a restart of the control server.
PolicySeat.closeAll(seats)
await pause(1000)
before = cpuMicroseconds(server)
const storm = reached(seats, () => 0)
for (const seat of seats) {
  seat.address = address
  seat.connectLater(eventsOf(seat))
}
const waits = await storm
const cpuUsPerReconnect = (cpuMicroseconds(server) - before) / count

holding = false
PolicySeat.closeAll(seats)
admin.close()
way.close()
console.log(
  JSON.stringify({
    kibPerSidecar,
    pushMs: Math.max(...pushes),
    pushMedianMs: median(pushes),
    cpuUsPerPush,
    besideStalledMs: Math.max(...beside),
    reconnectMs: Math.max(...waits),
    reconnectMedianMs: median(waits),
    cpuUsPerReconnect,
    errors,
  }),
)
