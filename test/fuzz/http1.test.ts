// Differential: what we forward, node:http reads as we do; what node:http's client reads of a response, our client gets.
import { get as httpGet } from 'node:http'
import t from 'tap'
import type { RequestHead } from '../../src/http/exchange.ts'
import { hopByHopFields } from '../../src/http/headers.ts'
import { protocolFaults } from '../../src/http/protocol-fault.ts'
import { beginCase, below, pick, randomCuts, repeat, seconds, seed, rounds, some, Tally } from '../fixtures/fuzz.ts'
import { type AppRequest, httpPath, nodeApp, rawApp, settled, testLimits } from '../fixtures/http.ts'
import { checkLeaks } from '../fixtures/leaks.ts'

checkLeaks(t)

console.log(`seed ${seed}`)
t.setTimeout((seconds + 60) * 1000)

const word = (): string => pick('a', 'b1', 'X-Y', 'Zed', 'value', 'q', 'chunked', '0', '5', 'close', 'http')

function value(): string {
  return pick('', 'v', 'a b', 'a\tb', '"q, r"', '\xe9\xff', 'x'.repeat(below(300)), ' padded \t', '1,2', 'a:b;c=d')
}

function field(): string {
  return `${pick('X-', 'x-', 'Accept-', '')}${word()}${pick('', '', '-2')}:${pick(' ', '', '\t', '  ')}${value()}\r\n`
}

function chunks(): { wire: string; trailers: string } {
  const extension = (): string => some(10, () => `;${pick('a', 'a=b', 'n="q"', 'a;b="c; d"')}`)
  const wire = repeat(4, () => {
    const data = pick('x', 'hello', '\r\n', '0\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', 'y'.repeat(below(2000) + 1))
    const size = data.length.toString(16)
    return `${some(10, () => '00')}${pick(size, size.toUpperCase())}${extension()}\r\n${data}\r\n`
  })
  return {
    wire: `${wire}${pick('0', '00')}${extension()}\r\n`,
    trailers: repeat(2, () => `X-${word()}: ${value()}\r\n`),
  }
}

function body(): string {
  const kind = below(3)
  if (kind === 0) return '\r\n'
  if (kind === 1) {
    const data = pick('', 'x', 'hello', 'GET /inner HTTP/1.1\r\nHost: a\r\n\r\n', 'z'.repeat(below(3000)))
    return `Content-Length: ${data.length}\r\n\r\n${data}`
  }
  const { wire, trailers } = chunks()
  return `${pick('Transfer-Encoding', 'transfer-encoding')}: ${pick('chunked', 'Chunked')}\r\n\r\n${wire}${trailers}\r\n`
}

function request(): string {
  const method = pick('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND')
  const target = pick(
    '/',
    '/a/b?c=d',
    '//x',
    '/%2e%2e/',
    "/!$&'()*+,;=:@",
    'http://a/abs',
    'http://a?q',
    '/a\\b',
    '/"<>|^`{}',
  )
  const hop = some(20, () => `Connection: ${pick('keep-alive', 'X-Hop, keep-alive', 'upgrade', 'close', ' ,te')}\r\n`)
  const other = some(10, () =>
    pick('Upgrade: h2c\r\n', 'TE: trailers\r\n', 'Keep-Alive: 5\r\n', 'Expect: 100-continue\r\n', 'X-Hop: 1\r\n'),
  )
  return `${some(5, () => '\r\n')}${method} ${target} HTTP/1.${below(10) === 0 ? 0 : 1}\r\nHost: ${pick('a', 'A', 'a')}\r\n${repeat(4, field)}${hop}${other}${body()}`
}

function response(): string {
  const line = `HTTP/1.1 ${pick('200 OK', '404 Not Found', '500 ', '204 No Content', '304 Not Modified', '201 Made')}\r\n`
  const interim = some(10, () => 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
  return `${interim}${line}${repeat(4, field)}${some(10, () => 'Connection: close\r\n')}${body()}`
}

const spoilers = [
  ' ',
  '\t',
  '\r',
  '\n',
  '\r\n',
  '\0',
  ':',
  ',',
  ';',
  '_',
  '\x0b',
  '\x7f',
  '\xa0',
  '+',
  '-',
  '0',
  '0x',
  'f',
  '"',
  '\\',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: x\r\n',
  'Host: b\r\n',
  ' folded\r\n',
  'Connection: content-length\r\n',
  'HTTP/1.1',
  'chunked',
  '0\r\n\r\n',
  'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
]

function mutate(text: string): string {
  let mutated = text
  for (let round = below(3); round >= 0; round -= 1) {
    // Where lines end is where parsers disagree.
    const ends = [...mutated.matchAll(/\r\n|: /g)].map(({ index }) => index)
    const at = below(2) === 0 && ends.length > 0 ? pick(...ends) + below(3) : below(mutated.length + 1)
    const kind = below(5)
    if (kind === 0) mutated = mutated.slice(0, at) + pick(...spoilers) + mutated.slice(at)
    else if (kind === 1) mutated = mutated.slice(0, at) + mutated.slice(at + 1 + below(3))
    else if (kind === 2) mutated = mutated.slice(0, at) + String.fromCharCode(below(256)) + mutated.slice(at + 1)
    else if (kind === 3) {
      const line = mutated.slice(at, mutated.indexOf('\r\n', at) + 2)
      mutated = mutated.slice(0, at) + line + mutated.slice(at)
    } else mutated = mutated.slice(0, at) + pick(...spoilers) + mutated.slice(at + 1)
  }
  return mutated
}

/** Flat fields with names in lower case, without what a hop drops or writes itself, as sorted lines. */
function endToEnd(fields: readonly string[], dropped: ReadonlySet<string>): string[] {
  const lines: string[] = []
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index]!.toLowerCase()
    if (!dropped.has(name)) lines.push(`${name}: ${fields[index + 1]}`)
  }
  return lines
}

const ownFraming = new Set([...hopByHopFields, 'host', 'content-length', 'http2-settings'])

function sameRequest(head: RequestHead, bodyText: string, trailers: readonly string[], seen: AppRequest): string[] {
  const differences: string[] = []
  const compare = (what: string, ours: string, theirs: string): void => {
    if (ours !== theirs) differences.push(`${what}: ${JSON.stringify(ours)} read as ${JSON.stringify(theirs)}`)
  }
  compare('method', head.method, seen.method)
  compare('target', head.target, seen.target)
  compare('fields', endToEnd(head.headers, ownFraming).join('|'), endToEnd(seen.headers, ownFraming).join('|'))
  compare(
    'hosts',
    head.authority,
    endToEnd(seen.headers, new Set())
      .filter((line) => line.startsWith('host:'))
      .join('|')
      .slice(6),
  )
  compare('body', bodyText, seen.body.toString('latin1'))
  compare('trailers', endToEnd(trailers, new Set()).join('|'), endToEnd(seen.trailers, new Set()).join('|'))
  return differences
}

t.test('requests', { timeout: (seconds + 60) * 1000 }, async (t) => {
  const end = performance.now() + (seconds * 1000) / 2
  let runs = 0
  let forwarded = 0
  const refused = new Tally()
  await rounds(t, end, async (t) => {
    const app = await nodeApp(t)
    const before = beginCase()
    const bodies = new Map<object, { body: string; trailers: readonly string[]; ended: boolean }>()
    const path = await httpPath(t, app, {
      limits: { maxHeadFields: 40 },
      decide: (request) => {
        const kept = { body: '', trailers: [] as readonly string[], ended: false }
        bodies.set(request, kept)
        const { exchange } = request
        const data = exchange.requestData.bind(exchange)
        const ended = exchange.requestEnd.bind(exchange)
        exchange.requestData = (slice) => {
          kept.body += slice.toString('latin1')
          return data(slice)
        }
        exchange.requestEnd = (trailers) => {
          kept.trailers = trailers
          kept.ended = true
          ended(trailers)
        }
        request.forward()
      },
    })
    for (let batch = 0; batch < 25; batch += 1) {
      const valid = below(3) === 0
      const text = repeat(1, request) + (valid ? request() : mutate(request()))
      const from = app.requests.length
      const refusedFrom = app.refused.length
      const firstRequest = path.requests.length
      path.serverFaults.length = 0
      path.upstreamFaults.length = 0
      const client = await path.client()
      for (const slice of randomCuts(text)) client.send(slice)
      await settled(path, client)
      const live = !client.socket.destroyed && path.serverFaults.length === 0
      path.clock.advance(testLimits.connectionIdleTimeoutMs * 2)
      path.clock.advance(testLimits.connectionIdleTimeoutMs * 2)
      await settled(path, client)
      client.socket.destroy()
      await path.closing()
      runs += 1
      const begun = path.requests.slice(firstRequest)
      const whole = begun.filter((request) => bodies.get(request)?.ended === true)
      const seen = app.requests.slice(from)
      const wrong: string[] = []
      const complaints = ['HPE_INVALID_EOF_STATE']
      const nodeRefused = app.refused.slice(refusedFrom).filter((code) => !complaints.includes(code))
      if (nodeRefused.length > 0) wrong.push(`node:http refused what was forwarded: ${nodeRefused.join()}`)
      // An application may see a whole request of which we refused only what came behind it, and the other way round an
      // exchange that was cut before its application read it.
      if (seen.length > whole.length) wrong.push(`${whole.length} requests were read as ${seen.length}`)
      if (live && seen.length < whole.length) wrong.push(`${whole.length} requests arrived as ${seen.length}`)
      for (const [index, request] of seen.entries()) {
        const sent = whole[index]
        const kept = sent && bodies.get(sent)
        if (sent !== undefined && kept !== undefined)
          wrong.push(...sameRequest(sent.head, kept.body, kept.trailers, request))
      }
      for (const code of path.serverFaults) {
        refused.add(code)
        if (!(code in protocolFaults)) wrong.push(`refused for no listed reason: ${code}`)
        if (valid && code !== 'transfer-encoding-in-1.0') wrong.push(`valid, but refused: ${code}`)
      }
      if (path.upstreamFaults.length > 0) wrong.push(`answered malformed: ${path.upstreamFaults.join()}`)
      for (const { finished } of path.requests)
        if (finished.length !== 1) wrong.push(`an exchange ended ${finished.length} times`)
      forwarded += seen.length
      if (wrong.length > 0) t.fail(`seed state ${before}, run ${runs}`, { wrong, text, faults: path.serverFaults })
    }
    await path.close()
  })
  t.ok(forwarded > 0, `${runs} connections, ${forwarded} requests forwarded; refused: ${refused.text}`)
})

interface Reading {
  readonly status: number
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
}

/** What node:http's client reads from `port`; the code of its error when it reads nothing whole. */
function readResponse(port: number): Promise<Reading | string> {
  return new Promise((resolve) => {
    const request = httpGet(
      { port, host: '127.0.0.1', agent: false, headers: { connection: 'keep-alive' } },
      (response) => {
        let body = ''
        response.setEncoding('latin1')
        response.on('data', (text: string) => {
          body += text
        })
        response.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            fields: response.rawHeaders,
            body,
            trailers: response.rawTrailers,
          })
          request.destroy()
        })
      },
    )
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

const droppedFromResponses = new Set([...ownFraming, 'http2-settings'])

t.test('responses', { timeout: (seconds + 60) * 1000 }, async (t) => {
  let text = ''
  const end = performance.now() + (seconds * 1000) / 2
  let runs = 0
  let same = 0
  let stricter = 0
  let cut = 0
  const reasons = new Tally()
  await rounds(t, end, async (t) => {
    const app = await rawApp(t, (peer) => {
      peer.socket.once('data', () => {
        for (const slice of randomCuts(text)) peer.send(slice)
        peer.socket.end()
      })
    })
    const path = await httpPath(t, app, { limits: { maxHeadFields: 40 } })
    for (let batch = 0; batch < 25; batch += 1) {
      const before = beginCase()
      const valid = below(3) === 0
      text = valid ? response() : mutate(response())
      const nodeReads = await readResponse(app.port)
      path.clientSockets.length = 0
      const ours = await readResponse(path.port)
      runs += 1
      const wrong: string[] = []
      await settled(path)
      const malformed = path.upstreamFaults.filter((code) => code !== 'response-unexpected')
      for (const code of malformed) reasons.add(code)
      if (valid && malformed.length > 0) wrong.push(`valid, but refused: ${malformed.join()}`)
      const refused = typeof ours !== 'string' && ours.fields.includes('x-refused')
      if (typeof ours === 'string') {
        // Cut in the body: the head had gone to the client before the fault came.
        if (typeof nodeReads !== 'string' && malformed.length === 0)
          wrong.push(`cut, though node:http read it: ${ours}`)
        cut += 1
      } else if (refused) stricter += 1
      else if (typeof nodeReads === 'string') {
        // node:http reports bytes behind a response as a fault of it, we as one of the connection.
        if (!path.upstreamFaults.includes('response-unexpected')) wrong.push(`node:http refused it: ${nodeReads}`)
      } else {
        const theirs = [
          nodeReads.status,
          endToEnd(nodeReads.fields, droppedFromResponses),
          nodeReads.body,
          nodeReads.trailers,
        ]
        const mine = [ours.status, endToEnd(ours.fields, droppedFromResponses), ours.body, ours.trailers]
        if (JSON.stringify(theirs).toLowerCase() === JSON.stringify(mine).toLowerCase()) same += 1
        else wrong.push(`read as ${JSON.stringify(mine).slice(0, 500)}, not ${JSON.stringify(theirs).slice(0, 500)}`)
      }
      if (wrong.length > 0) t.fail(`seed state ${before}, run ${runs}`, { wrong, text, faults: path.upstreamFaults })
      path.upstreamFaults.length = 0
    }
    const endings = path.requests.filter(({ finished }) => finished.length !== 1)
    if (endings.length > 0) t.fail(`${endings.length} exchanges did not end once`)
    await path.close()
  })
  t.ok(same > 0, `${runs} responses, ${same} read the same, ${stricter} refused, ${cut} cut: ${reasons.text}`)
})
