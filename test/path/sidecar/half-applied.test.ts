// 10 000 policies from the wire into force while requests are decided on. Two sets alternate: one allows /x alone, the other /y
// alone, each by a policy that the other has not. Two requests that come in one TLS record are decided on by one set: one of
// them is allowed. With half of an update in force it would be both or none.
import t, { type Test } from 'tap'
import type { Kind, ResourceName } from '../../../src/policy/model.ts'
import { OwnBuckets } from '../../../src/ratelimit/buckets.ts'
import { takeUpdate } from '../../../src/sidecar/snapshot/path.ts'
import { Snapshot } from '../../../src/sidecar/snapshot/snapshot.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { below, seed } from '../../fixtures/fuzz.ts'
import { END_HEADERS, END_STREAM, H2Peer, headers, type Message } from '../../fixtures/h2-frames.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, clientTls, deny, type Hop, startHop, update, wireTls, workloadOf } from '../../fixtures/sidecar.ts'

checkLeaks(t)

console.log(`seed ${seed}`)

const SWAPS = 10_000
const CLIENTS = 16
/** Swaps wait for the load. No whole number: the same set would be in force at each end of a wait. */
const SWAPS_PER_PAIR = 2.3
/** Streams after which a client opens another connection: what has come on one is kept for its time. */
const LAST_STREAM = 120

const nameOf = (kind: Kind, name: string): ResourceName => ({ kind, namespace: 'default', name })

/** Puts one set in force in place of the other: what allowed is removed, and what denies changes sides. */
function swap(round: number, snapshot: Snapshot): void {
  const [now, before] = round % 2 === 0 ? ['x', 'y'] : ['y', 'x']
  const resources = [
    allow(`allow-${now}`, { to: [{ paths: [`/${now}`] }] }),
    deny('other', { to: [{ paths: [`/${before}/below`] }] }),
    ...(round === 0 ? [workloadOf('api')] : []),
  ]
  const removed = round === 0 ? [] : [nameOf('AuthorizationPolicy', `allow-${before}`)]
  const answer = takeUpdate(update(round + 1, resources, removed), snapshot)
  if (answer.ack === undefined) throw new Error(`not applied: ${JSON.stringify(answer)}`)
}

/** How a request was decided on when it came; one that was allowed may have been withdrawn by a later set. */
function wasAllowed({ status, fields, end }: Message): boolean {
  if (status === 200) return true
  const refusal = fields[fields.indexOf('x-outrider-refusal') + 1]
  if (status === 403 && end === 'whole' && refusal === 'permission-withdrawn') return true
  if (status === 403 && refusal === 'no-allow-rule') return false
  throw new Error(`${status} ${String(refusal)}, ended with ${String(end)}`)
}

interface Tally {
  pairs: number
  x: number
  wrong: number
  withdrawn: number
}

/** Asks for both on one connection, again and again. */
async function ask(t: Test, { api, ca }: Hop, tally: Tally, going: () => boolean): Promise<void> {
  const tls = { ...clientTls(ca, ca.issue('/ns/default/sa/web')), ALPNProtocols: ['h2'] }
  const { socket } = wireTls(t, api.inbound, tls)
  const peer = new H2Peer(socket, 'client').greet()
  for (let stream = 1; going() && stream < LAST_STREAM; stream += 4) {
    peer.send(get('/x', stream), get('/y', stream + 2))
    const [x, y] = await Promise.all([peer.message(stream), peer.message(stream + 2)])
    tally.pairs += 1
    tally.x += wasAllowed(x) ? 1 : 0
    tally.withdrawn += [x, y].filter(({ fields }) => fields.includes('permission-withdrawn')).length
    if (wasAllowed(x) === wasAllowed(y)) tally.wrong += 1
  }
  socket.destroy()
}

function get(path: string, stream: number): Buffer {
  const fields = [':method', 'GET', ':scheme', 'https', ':authority', 'api', ':path', path]
  return headers(stream, fields, END_HEADERS | END_STREAM)
}

t.test(`${SWAPS} policies under load: no request is decided on by half of one`, { timeout: 50_000 }, async (t) => {
  const hop = await startHop(t, {
    api: { inbound: { protocol: 'http1' }, config: { accessLog: 'off', logLevel: 'error' } },
  })
  const { clock, metrics } = hop.api.runtime
  const log = createLogger({ name: 'sidecar', level: 'error', clock, sink: { write: () => {} } })
  const snapshot = new Snapshot(clock, new OwnBuckets(), metrics, log)
  snapshot.policy.subscribe((policy) => hop.api.policy.set(policy))
  swap(0, snapshot)
  const tally: Tally = { pairs: 0, x: 0, wrong: 0, withdrawn: 0 }
  let swaps = 1
  const going = (): boolean => swaps < SWAPS
  const began = performance.now()
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (going()) await ask(t, hop, tally, going)
  })
  const turn = (): void => {
    // Not in every turn, and at no point of the way of a request more than at another.
    if (swaps < tally.pairs * SWAPS_PER_PAIR && below(3) === 0) {
      swap(swaps, snapshot)
      swaps += 1
    }
    if (going()) setImmediate(turn)
  }
  turn()
  await Promise.all(clients)
  const seconds = (performance.now() - began) / 1000
  const { pairs, x, wrong, withdrawn } = tally
  console.log(
    `note: ${swaps} swaps and ${2 * pairs} requests in ${seconds.toFixed(1)} s: /x was allowed ${x} times, /y ${pairs - x}; ${withdrawn} were withdrawn; ${wrong} pairs decided on by half a set`,
  )
  t.equal(wrong, 0)
  t.ok(pairs >= SWAPS / SWAPS_PER_PAIR, `${pairs} pairs`)
  t.ok(x > pairs / 10 && x < pairs * 0.9, 'both sets were in force')
})
