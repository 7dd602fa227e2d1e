// The paths of Istio's and Envoy's own tests through a real listener in each mode: what the application sees is what they say
// and what the access log says was decided on, byte for byte; what they refuse never reaches it.
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { normalisations } from '../../src/lib/normalisation.ts'
import { normalisePath } from '../../src/policy/normalise.ts'
import { END_HEADERS, END_STREAM, H2Peer, headers } from '../fixtures/h2-frames.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { pathVectors } from '../fixtures/path-vectors.ts'
import { clientTls, type Hop, startHop, type Wire, wireTcp, wireTls } from '../fixtures/sidecar.ts'

checkLeaks(t)

const vectors = pathVectors() ?? []
if (vectors.length === 0) t.pass('not run: the vectors are not there')

/** Sends one request with this target; gives the status. */
type Ask = (target: string) => Promise<number>

/** The ways to the inbound listener: its own clients in both versions, and the application of another sidecar. */
const ways: Readonly<Record<string, (t: Test, hop: Hop) => Ask>> = {
  'HTTP/1.1': (t, hop) => overHttp1(wireTls(t, hop.api.inbound, tlsOf(hop))),
  'HTTP/2': (t, hop) => overHttp2(wireTls(t, hop.api.inbound, { ...tlsOf(hop), ALPNProtocols: ['h2'] }).socket),
  "the caller's sidecar": (t, hop) => overHttp1(wireTcp(t, hop.web.outbound)),
}

function tlsOf({ ca }: Hop) {
  return clientTls(ca, ca.issue('/ns/default/sa/web'))
}

function overHttp1(client: Wire): Ask {
  return async (target) => {
    const from = client.text.length
    client.socket.write(`GET ${target} HTTP/1.1\r\nHost: api\r\n\r\n`)
    const answer = new RegExp(
      `^[^]{${from}}HTTP/1\\.1 (\\d+) [^]*?\\r\\ncontent-length: (\\d+)\\r\\n(?:[^]*?\\r\\n)?\\r\\n`,
      'i',
    )
    const [head, status, length] = await client.match(answer)
    await client.match(new RegExp(`^[^]{${head.length + Number(length)}}`))
    return Number(status)
  }
}

function overHttp2(socket: TLSSocket): Ask {
  const peer = new H2Peer(socket, 'client').greet()
  let stream = -1
  return async (target) => {
    stream += 2
    const fields = [':method', 'GET', ':scheme', 'https', ':authority', 'api', ':path', target]
    const { status, end } = await peer.send(headers(stream, fields, END_HEADERS | END_STREAM)).message(stream)
    if (end !== 'whole') throw new Error(`${target} ended with ${end}`)
    return status
  }
}

/** What came of a target: the one that the application saw, where that is what was decided on, or 400. */
async function outcome(target: string, ask: Ask, { api, app }: Hop): Promise<string> {
  const before = app.seen.length
  const status = await ask(target)
  const decided = await api.records.take()
  const [seen, more] = app.seen.slice(before)
  if (seen === undefined) return status === 400 && decided['status'] === 400 ? '400' : `${status}, unseen`
  if (status !== 200 || more !== undefined) return `${status}, and the application saw it`
  const query = seen.target.indexOf('?')
  const path = query === -1 ? seen.target : seen.target.slice(0, query)
  return decided['path'] === path ? seen.target : `${seen.target}, decided as ${String(decided['path'])}`
}

for (const mode of normalisations.filter((name) => name !== 'strict')) {
  const cases = vectors.filter((vector) => vector.mode === mode)
  if (cases.length === 0) continue
  for (const [way, open] of Object.entries(ways)) {
    t.test(`${mode} over ${way}`, async (t) => {
      const hop = await startHop(t, { api: { inbound: { protocol: 'http1', normalise: mode } } })
      const ask = open(t, hop)
      let agreed = 0
      for (const vector of cases) {
        const came = await outcome(vector.in, ask, hop)
        if (came === vector.out) agreed += 1
        else t.fail(`${vector.group}: ${JSON.stringify(vector.in)} should be ${vector.out}, not ${came}`)
      }
      console.log(`note: path-normalisation.json, ${mode} over ${way}: ${agreed} of ${cases.length} agree`)
      t.equal(agreed, cases.length, `${agreed} of ${cases.length}`)
    })
  }
}

t.test('the strict mode refuses, or forwards what it decided on: every path of the vectors', async (t) => {
  const hop = await startHop(t, { api: { inbound: { protocol: 'http1' } } })
  const ask = overHttp1(wireTcp(t, hop.web.outbound))
  const seen = { forwarded: 0, refused: 0 }
  const targets = [...new Set(vectors.map((vector) => vector.in))]
  for (const target of targets) {
    // A fragment is refused by the engine, before there is a request to decide on.
    const fragment = target.includes('#')
    const normal = normalisePath(target)
    const out = normal.ok ? normal.path + normal.query : '400'
    const came = fragment ? String(await ask(target)) : await outcome(target, ask, hop)
    seen[normal.ok ? 'forwarded' : 'refused'] += 1
    if (came !== out) t.fail(`${JSON.stringify(target)} should be ${out}, not ${came}`)
  }
  t.equal(hop.app.seen.length, seen.forwarded)
  t.equal(seen.forwarded + seen.refused, targets.length, `${seen.forwarded} forwarded, ${seen.refused} refused`)
})
