// Whatever comes over HTTP/2 reaches an HTTP/1 application as one well-formed request, or not at all. The application is
// nothing but sockets, read by a parser that shares nothing with the engine.
import { METHODS } from 'node:http'
import t, { type Test } from 'tap'
import { h2Faults } from '../../../src/http/h2/fault.ts'
import { type ProtocolFaultCode, protocolFaults } from '../../../src/http/protocol-fault.ts'
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  type H2Peer,
  headers,
  messageVectors,
  request,
  reset,
} from '../../fixtures/h2-frames.ts'
import { type Http2Path, http2Path } from '../../fixtures/h2-path.ts'
import { rawApp, settled, type StrictRequest, strictRequests } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n'

interface Strict {
  readonly path: Http2Path
  /** Every request that arrived, on any connection, in the order in which it was whole. */
  readonly arrived: StrictRequest[]
  /** The text of all connections to the application that are still open. */
  readonly rest: () => string
}

/** A path to an application that reads strictly and answers each request once it is whole. */
async function strictPath(t: Test): Promise<Strict> {
  const arrived: StrictRequest[] = []
  const app = await rawApp(t, (peer) => {
    let answered = 0
    peer.socket.on('data', () => {
      const { requests } = strictRequests(peer.text)
      for (; answered < requests.length; answered += 1) {
        arrived.push(requests[answered]!)
        peer.send('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
      }
    })
  })
  const path = await http2Path(t, app, { upstream: 'http1' })
  return {
    path,
    arrived,
    rest: () =>
      app.peers
        .filter(({ socket }) => !socket.readableEnded)
        .map(({ text }) => strictRequests(text).rest)
        .join(''),
  }
}

const isProtocolFault = (code: string): code is ProtocolFaultCode => code in protocolFaults
const statusOf = (code: string): number => (isProtocolFault(code) ? protocolFaults[code].status : 0)

t.test('every vector, on one connection', async (t) => {
  // 37 bytes, as the vectors declare, that would be a request of their own where a body is lost.
  const content = `${SMUGGLED}\r\n`
  const { path, arrived, rest } = await strictPath(t)
  const client = await path.h2Client()
  let id = -1
  for (const vector of messageVectors()) {
    if (vector.of !== 'request' || vector.fields.includes('websocket')) continue
    const { name, fields, ended, expect } = vector
    id += 2
    arrived.length = 0
    path.serverFaults.length = 0
    client.send(headers(id, fields, ended ? END_HEADERS | END_STREAM : END_HEADERS))
    if (!ended) client.send(data(id, content, END_STREAM))
    const { status, end } = await client.message(id)
    if (vector.arrives === undefined) {
      const answered = statusOf(expect)
      const asSaid = answered === 0 ? end !== 'whole' : status === answered && end === 'whole'
      if (path.serverFaults.join() !== expect || !asSaid) {
        t.fail(name, { faults: path.serverFaults, expect, status, end })
      }
      if (arrived.length > 0) t.fail(`${name}: arrived`, { arrived })
      continue
    }
    const { requests } = strictRequests(
      ended
        ? vector.arrives
        : `${vector.arrives}${vector.arrives.includes('chunked') ? `25\r\n${content}\r\n0\r\n\r\n` : content}`,
    )
    t.strictSame(arrived, requests, name)
    t.equal(status, 200)
  }
  t.equal(rest(), '')
  t.equal(path.connections.length, 1)
  for (const { finished } of path.requests) t.equal(finished.length, 1)
})

t.test('every trailer vector, behind a body that would be a request', async (t) => {
  const { path, arrived } = await strictPath(t)
  const client = await path.h2Client()
  let id = -1
  for (const { of, name, fields, expect } of messageVectors()) {
    if (of !== 'trailers') continue
    id += 2
    arrived.length = 0
    client.send(headers(id, request('POST')), data(id, SMUGGLED), headers(id, fields, END_HEADERS | END_STREAM))
    const { status } = await client.message(id)
    await settled(path)
    if (expect === 'taken') {
      t.equal(status, 200, name)
      t.match(arrived, [{ method: 'POST', body: SMUGGLED, trailers: fields }])
      t.equal(arrived.length, 1)
    } else t.strictSame(arrived, [], name)
  }
})

/** A body in frames, as its client cuts it, and whether its length is declared. */
const bodies: readonly (readonly [name: string, slices: readonly string[], declared: boolean])[] = [
  ['none', [], false],
  ['none, and a length of 0', [], true],
  ['one that looks like a request', [SMUGGLED], false],
  ['one that looks like a request, with its length', [SMUGGLED], true],
  ['one that looks like the end of chunks', ['0\r\n\r\n', SMUGGLED], false],
  ['in pieces, some of them empty', ['', 'a', '', 'b\r\n', '', SMUGGLED], true],
  ['large', ['x'.repeat(16_384), 'y'.repeat(16_384), SMUGGLED], false],
]

t.test('every method, with or without a body, is one request with that body', async (t) => {
  const { path, arrived, rest } = await strictPath(t)
  const client = await path.h2Client()
  let id = -1
  for (const method of METHODS) {
    if (method === 'CONNECT') continue
    for (const [name, slices, declared] of bodies) {
      id += 2
      arrived.length = 0
      const body = slices.join('')
      const fields = request(method, '/real', ...(declared ? ['content-length', String(body.length)] : []))
      if (slices.length === 0) client.send(headers(id, fields, END_HEADERS | END_STREAM))
      else client.send(headers(id, fields), ...slices.map((slice) => data(id, slice)), data(id, '', END_STREAM))
      const { status } = await client.message(id)
      const seen = arrived[0]
      const framing = seen?.fields.filter((_, index, all) =>
        /^(content-length|transfer-encoding)$/.test(all[index - (index % 2)]!),
      )
      const expected = declared
        ? ['content-length', String(body.length)]
        : slices.length === 0
          ? []
          : ['transfer-encoding', 'chunked']
      const ok =
        status === 200 &&
        arrived.length === 1 &&
        seen?.method === method &&
        seen.target === '/real' &&
        seen.body === body
      if (!ok || framing?.join() !== expected.join()) t.fail(`${method}, ${name}`, { status, arrived })
    }
  }
  t.equal(rest(), '')
  t.pass(`${METHODS.length - 1} methods, ${bodies.length} bodies`)
})

t.test('a request that is broken off is never whole at the application', async (t) => {
  const breaks: readonly (readonly [name: string, frames: (id: number) => readonly Buffer[]])[] = [
    ['reset', (id) => [reset(id)]],
    ['too short', (id) => [data(id, '', END_STREAM)]],
    ['too long', (id) => [data(id, 'x'.repeat(100))]],
    ['trailers that are none', (id) => [headers(id, [':path', '/'], END_HEADERS | END_STREAM)]],
    ['trailers with an end of line', (id) => [headers(id, ['x', SMUGGLED], END_HEADERS | END_STREAM)]],
    ['a frame that ends the connection', () => [frame('PING', 0, 0)]],
  ]
  for (const declared of [true, false]) {
    for (const [name, frames] of breaks) {
      if (!declared && name.startsWith('too')) continue
      const { path, arrived, rest } = await strictPath(t)
      const client = await path.h2Client()
      client.send(headers(1, request('POST', '/', ...(declared ? ['content-length', '50'] : []))), data(1, SMUGGLED))
      await path.arrival()
      await settled(path)
      client.send(...frames(1))
      await path.requests[0]!.over
      await settled(path)
      t.strictSame(arrived, [], `${name}, ${declared ? 'declared' : 'not declared'}`)
      t.equal(rest(), '', 'its connection has ended with it')
      client.socket.destroy()
    }
  }
})

t.test('responses of an HTTP/1 application cannot be read as more than they are', async (t) => {
  const app = await rawApp(t)
  for (const [name, response, status, body, end] of [
    ['of a length', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok', 200, 'ok', 'whole'],
    [
      'chunked, with trailers',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n',
      200,
      'ok',
      'whole',
    ],
    [
      'with more behind it',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n',
      200,
      'ok',
      'whole',
    ],
    [
      'with fields of the connection',
      'HTTP/1.1 200 OK\r\nconnection: x, close\r\nx: y\r\nkeep-alive: 5\r\ncontent-length: 2\r\n\r\nok',
      200,
      'ok',
      'whole',
    ],
    ['204 with a body', 'HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nno', 204, '', 'whole'],
    ['malformed', 'HTTP/1.1 200 OK\r\nx : y\r\n\r\n', 502, 'refused 502\n', 'whole'],
    [
      '101 that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n',
      502,
      'refused 502\n',
      'whole',
    ],
    [
      'a second length',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok',
      502,
      'refused 502\n',
      'whole',
    ],
    ['that ends in the middle', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok', 200, 'ok', 'INTERNAL_ERROR'],
    [
      'malformed in the middle',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nx',
      200,
      'ok',
      'INTERNAL_ERROR',
    ],
  ] as const) {
    const path = await http2Path(t, app, { upstream: 'http1' })
    const client: H2Peer = await path.h2Client()
    client.send(get(1))
    const upstream = await app.accept()
    await upstream.until('\r\n\r\n')
    upstream.send(response).socket.end()
    const message = await client.message(1)
    t.strictSame([message.status, message.body.toString(), message.end], [status, body, end], name)
    t.notMatch(message.fields.join(), /connection|keep-alive|transfer-encoding|upgrade/)
    if (name.includes('trailers')) t.strictSame(message.trailers, ['x', 'y'])
    if (name.includes('connection')) t.notOk(message.fields.includes('x'), 'nor what Connection names')
    await path.close()
  }
})

t.test('names of faults are of one table each', (t) => {
  t.strictSame(
    Object.keys(h2Faults).filter((code) => code in protocolFaults),
    [],
  )
  t.end()
})
