// Third-party framing vectors (llhttp, http-desync-guardian): through the whole path, to an application that reads with a
// strict parser of its own and to node:http; and once more with HTTP/2 on the hop between two paths.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../src/lib/package-root.ts'
import { http2Path } from '../fixtures/h2-path.ts'
import {
  type HttpPath,
  httpPath,
  nodeApp,
  type RawApp,
  rawApp,
  settled,
  type StrictRequest,
  strictRequests,
  testLimits,
} from '../fixtures/http.ts'
import { checkLeaks } from '../fixtures/leaks.ts'

const folder = process.env['OUTRIDER_VECTORS'] ?? join(packageRoot, '..', 'shared', 'vectors')
const file = join(folder, 'http1-framing.jsonl')

interface Vector {
  readonly id: string
  readonly expect: 'accept' | 'may' | 'reject'
  readonly raw: string
}

function isVector(value: unknown): value is Vector {
  return typeof value === 'object' && value !== null && 'id' in value && 'expect' in value && 'raw' in value
}

const anotherCoding = 'a transfer coding other than chunked: we would have to decode it to know where the body ends'
const underscore = 'field names with _, which some servers read as - (underscoresInHeaders: allow takes them)'
const notHttp = 'ICE and RTSP are not HTTP'
const host = 'a Host with =, which no host name has'

/** What others accept and we refuse: the vector's id, and why. */
const refusedHere: Readonly<Record<string, string>> = {
  'hdg-more-compliant-tests-5': anotherCoding,
  'hdg-more-compliant-tests-6': 'the vector ends before its body does: nothing more comes, and its time passes',
  'hdg-more-compliant-tests-7': anotherCoding,
  'hdg-more-compliant-tests-8': anotherCoding,
  'hdg-more-compliant-tests-9': anotherCoding,
  'hdg-rfc-compliant-4': underscore,
  'hdg-rfc-compliant-5': underscore,
  'hdg-rfc-compliant-8': anotherCoding,
  'hdg-rfc-compliant-9': anotherCoding,
  'hdg-rfc-compliant-10': anotherCoding,
  'hdg-rfc-compliant-11': 'a fragment in the target',
  'hdg-rfc-compliant-13': 'a request line without a target',
  'llhttp-method-12': notHttp,
  'llhttp-method-13': notHttp,
  'llhttp-method-14': notHttp,
  'llhttp-sample-3': host,
  'llhttp-sample-4': host,
}

/** What a source wants rejected for a reason that is none of a proxy's, once the request has a Host. */
const acceptedHere: Readonly<Record<string, string>> = {
  'llhttp-connection-3 with Host': 'the second request is not forwarded: HTTP/1.0 ends with the first response',
}

/** A WebSocket that came without a key gets one behind HTTP/2. */
function withoutKey(request: StrictRequest): StrictRequest {
  const { fields } = request
  return { ...request, fields: fields.filter((_, index) => fields[index - (index % 2)] !== 'sec-websocket-key') }
}

function load(): Vector[] {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const vector: unknown = JSON.parse(line)
      if (!isVector(vector)) throw new Error(`not a vector: ${line.slice(0, 200)}`)
      return { ...vector, raw: Buffer.from(vector.raw, 'base64').toString('latin1') }
    })
}

/** Many vectors have no Host and would be refused for that alone: the same with one. */
function withHost(raw: string): string | undefined {
  if (/\nhost/i.test(raw)) return undefined
  const line = raw.indexOf('\r\n', raw.startsWith('\r\n') ? 2 : 0)
  return line < 0 ? undefined : `${raw.slice(0, line + 2)}Host: a\r\n${raw.slice(line + 2)}`
}

type Moving = Pick<HttpPath, 'clock' | 'clientSockets' | 'upstreamSockets'>
type Sending = Moving & Pick<HttpPath, 'client'> & { closing(): Promise<unknown> }

/** Sends `raw` on a connection of its own until nothing moves any more, then lets every deadline pass. */
async function send(path: Sending, raw: string, far?: Moving): Promise<void> {
  const client = await path.client()
  const both = [path, ...(far === undefined ? [] : [far])]
  const sockets: Pick<HttpPath, 'clientSockets' | 'upstreamSockets'> = {
    get clientSockets() {
      return both.flatMap(({ clientSockets }) => clientSockets)
    },
    get upstreamSockets() {
      return both.flatMap(({ upstreamSockets }) => upstreamSockets)
    },
  }
  client.send(raw)
  await settled(sockets, client)
  for (const { clock } of [...both, ...both]) clock.advance(testLimits.connectionIdleTimeoutMs * 2)
  await settled(sockets, client)
  client.socket.destroy()
  await path.closing()
}

/** An application that reads strictly and answers every whole request. */
async function strictApp(t: Test): Promise<{ readonly app: RawApp; requests(): StrictRequest[] }> {
  const app = await rawApp(t, (peer) => {
    let answered = 0
    peer.socket.on('data', () => {
      const { requests } = strictRequests(peer.text)
      for (; answered < requests.length; answered += 1) peer.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
  })
  return { app, requests: () => app.peers.flatMap(({ text }) => strictRequests(text).requests) }
}

if (!existsSync(file)) {
  console.log('note: no third-party HTTP/1 framing vectors; set OUTRIDER_VECTORS to their folder')
  t.pass('no vectors')
} else {
  checkLeaks(t)
  const vectors = load()
  const limits = { ...testLimits, maxHeadFields: 100, maxHeadBytes: 61_440 }

  t.test('verdicts, and what arrives', async (t) => {
    const counts = { accept: [0, 0], may: [0, 0], reject: [0, 0] }
    for (const { id, expect, raw } of vectors) {
      for (const [name, text] of [
        [id, raw],
        [`${id} with Host`, withHost(raw)],
      ] as const) {
        if (text === undefined) continue
        const strict = await strictApp(t)
        const path = await httpPath(t, strict.app, { limits })
        await send(path, text)
        const requests = strict.requests()
        const whole = path.requests.filter(({ responses }) => responses.length === 1).length
        const refused = path.serverFaults.length > 0
        if (requests.length !== whole) t.fail(`${name}: ${whole} forwarded, ${requests.length} arrived`)
        counts[expect][refused ? 1 : 0]! += 1
        if (expect === 'reject' && !refused && acceptedHere[name] === undefined) {
          t.fail(`${name}: accepted`, { text, arrived: requests })
        }
        if (expect === 'accept' && refused && refusedHere[name] === undefined) {
          t.fail(`${name}: refused`, { text, faults: path.serverFaults })
        }
        await path.close()

        const behind = await strictApp(t)
        const far = await http2Path(t, behind.app, { upstream: 'http1', limits })
        const near = await http2Path(t, far, { downstream: 'http1', limits })
        await send(near, text, far)
        if (JSON.stringify(behind.requests().map(withoutKey)) !== JSON.stringify(requests)) {
          t.fail(`${name}: over HTTP/2 other requests arrived`, { text, requests, over: behind.requests() })
        }
        // Half a request has its time on both sides.
        const faults = far.serverFaults.filter((code) => code !== 'request-timed-out')
        if (faults.length > 0 || near.upstreamFaults.length > 0) {
          t.fail(`${name}: the hop itself was malformed`, { faults, near: near.upstreamFaults })
        }
        await near.close()
        await far.close()

        const node = await nodeApp(t)
        const other = await httpPath(t, node, { limits })
        await send(other, text)
        const refusedByNode = node.refused.filter((code) => code !== 'HPE_INVALID_EOF_STATE')
        if (node.requests.length !== requests.length) {
          t.fail(`${name}: node:http read ${node.requests.length} requests, not ${requests.length}`, {
            refusedByNode,
            text,
          })
        }
        await other.close()
        node.server.close()
      }
    }
    for (const [expect, [forwarded = 0, refused = 0]] of Object.entries(counts)) {
      console.log(`note: HTTP/1 framing vectors, ${expect}: ${forwarded} forwarded, ${refused} refused`)
    }
    t.equal(vectors.length > 200, true)
  })
}
