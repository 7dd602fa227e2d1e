// node:http and node:http2 on both ends of every combination of hops: the application reads what the client sent, and the
// client what the application answered.
import { once } from 'node:events'
import {
  createServer as createHttp,
  type IncomingMessage,
  request as httpRequest,
  type ServerResponse,
} from 'node:http'
import {
  connect as connectHttp2,
  createServer as createHttp2,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { boundAddress } from '../../fixtures/app.ts'
import { type Codec, http2Path } from '../../fixtures/h2-path.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

interface Request {
  readonly method: string
  readonly target: string
  /** Flat. */
  readonly fields: readonly string[]
  readonly body: readonly Buffer[]
  /** Whether content-length says how long it is. */
  readonly declared: boolean
  readonly trailers: readonly string[]
}

interface Response {
  readonly status: number
  readonly fields: readonly string[]
  readonly body: readonly Buffer[]
  readonly declared: boolean
  readonly trailers: readonly string[]
  /** Fields of an interim response 103. */
  readonly hints: readonly string[]
}

/** What an end read: fields without those of the hop, body as one. */
interface Seen {
  readonly line: string
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
  readonly interim: readonly string[]
}

const ofTheHop = /^(?::.*|connection|keep-alive|te|trailer|transfer-encoding|host|date|content-length)$/

function endToEnd(flat: readonly (string | undefined)[]): string[] {
  const fields: string[] = []
  for (let index = 0; index < flat.length; index += 2) {
    const name = flat[index]!.toLowerCase()
    if (!ofTheHop.test(name)) fields.push(name, flat[index + 1]!)
  }
  return fields
}

/** Flat fields as node:http2 takes them: names that come again are one list. */
function asObject(flat: readonly string[]): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = {}
  for (let index = 0; index < flat.length; index += 2) {
    const before = object[flat[index]!]
    object[flat[index]!] = before === undefined ? flat[index + 1]! : [before, flat[index + 1]!].flat()
  }
  return object
}

const lengthOf = (body: readonly Buffer[]): string => String(body.reduce((sum, { length }) => sum + length, 0))
const digest = (parts: readonly Buffer[]): string => {
  const all = Buffer.concat(parts)
  return all.length < 100
    ? all.toString('latin1')
    : `${all.length} ${all.toString('latin1', 0, 20)} ${all.toString('latin1', all.length - 20)}`
}

interface Application {
  readonly port: number
  /** What the next request is answered, and what was read of the last one. */
  answer: Response
  seen: Seen | undefined
}

/** The same handler on node:http and on node:http2. */
async function application(t: Test, codec: Codec): Promise<Application> {
  const handle = (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): void => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      app.seen = {
        line: `${request.method} ${request.url}`,
        fields: endToEnd(request.rawHeaders),
        body: digest(parts),
        trailers: request.rawTrailers,
        interim: [],
      }
      const { status, fields, body, declared, trailers, hints } = app.answer
      if (hints.length > 0) response.writeEarlyHints(asObject(hints))
      for (const [name, value] of Object.entries(asObject(fields))) response.setHeader(name, value)
      if (declared) response.setHeader('content-length', lengthOf(body))
      response.statusCode = status
      if (trailers.length > 0) {
        response.setHeader('trailer', trailers[0]!)
        response.addTrailers(asObject(trailers))
      }
      Readable.from(body).pipe(response)
    })
  }
  const server = codec === 'http1' ? createHttp(handle) : createHttp2(handle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const app: Application = { port: boundAddress(server).port, answer: answers[0]![1], seen: undefined }
  return app
}

type Client = (request: Request) => Promise<Seen>

function http1Client(port: number): Client {
  return ({ method, target, fields, body, declared, trailers }) =>
    new Promise((resolve, reject) => {
      const framing = declared
        ? ['content-length', lengthOf(body)]
        : body.length > 0
          ? ['transfer-encoding', 'chunked']
          : []
      const te = trailers.length > 0 ? ['te', 'trailers', 'connection', 'te'] : ['connection', 'close']
      const headers = ['host', 'a', ...fields, ...framing, ...te]
      const interim: string[] = []
      const request = httpRequest(
        { host: '127.0.0.1', port, method, path: target, headers, agent: false },
        (response) => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('error', reject)
          response.on('end', () => {
            const { statusCode, rawHeaders, rawTrailers } = response
            const seen = { line: String(statusCode), fields: endToEnd(rawHeaders), body: digest(parts), interim }
            resolve({ ...seen, trailers: rawTrailers })
            request.destroy()
          })
        },
      )
      request.on('error', reject)
      request.on('information', ({ statusCode, rawHeaders }) =>
        interim.push([statusCode, ...endToEnd(rawHeaders)].join()),
      )
      const send = (): void => {
        for (const part of body) request.write(part)
        if (trailers.length > 0) request.addTrailers(asObject(trailers))
        request.end()
      }
      if (fields.includes('expect')) request.once('continue', send)
      else send()
    })
}

function http2Client(port: number): Client {
  return ({ method, target, fields, body, declared, trailers }) =>
    new Promise((resolve, reject) => {
      const session = connectHttp2(`http://127.0.0.1:${port}`)
      session.on('error', reject)
      const length = declared ? { 'content-length': lengthOf(body) } : {}
      const pseudo = { ':method': method, ':path': target, ':authority': 'a', ':scheme': 'http' }
      const waitForTrailers = trailers.length > 0
      const stream = session.request(
        { ...pseudo, ...asObject(fields), ...length, ...(waitForTrailers ? { te: 'trailers' } : {}) },
        { endStream: body.length === 0 && !waitForTrailers, waitForTrailers },
      )
      const parts: Buffer[] = []
      const interim: string[] = []
      let head: { readonly line: string; readonly fields: readonly string[] } | undefined
      let ended: readonly string[] = []
      stream.on('headers', (headers, _flags, raw: readonly string[]) =>
        interim.push([headers[':status'], ...endToEnd(raw)].join()),
      )
      stream.on('response', (headers, _flags, raw: readonly string[]) => {
        head = { line: String(headers[':status']), fields: endToEnd(raw) }
      })
      stream.on('trailers', (_headers, _flags, raw?: readonly string[]) => {
        ended = raw ?? []
      })
      stream.on('wantTrailers', () => stream.sendTrailers(asObject(trailers)))
      stream.on('data', (part: Buffer) => parts.push(part))
      stream.on('error', reject)
      stream.on('close', () => {
        session.destroy()
        if (head === undefined) reject(new Error('closed without a response'))
        else resolve({ ...head, body: digest(parts), trailers: ended, interim })
      })
      const send = (): void => {
        for (const part of body) stream.write(part)
        if (body.length > 0 || waitForTrailers) stream.end()
      }
      if (fields.includes('expect')) stream.once('continue', send)
      else send()
    })
}

const text = (...parts: readonly string[]): Buffer[] => parts.map((part) => Buffer.from(part, 'latin1'))
const large = Array.from({ length: 40 }, (_, index) =>
  Buffer.alloc(9973 + index, String.fromCharCode(97 + (index % 26))),
)

const nothing = { fields: [], body: [], declared: false, trailers: [], hints: [] }
const requests: readonly (readonly [name: string, request: Request])[] = [
  [
    'GET',
    { ...nothing, method: 'GET', target: '/a/b?c=d&e=%20', fields: ['b', '1', 'b', '3', 'a', '2', 'x', 'a b\tc \xe9'] },
  ],
  ['HEAD', { ...nothing, method: 'HEAD', target: '/' }],
  ['OPTIONS of the server', { ...nothing, method: 'OPTIONS', target: '*' }],
  ['POST of unknown length', { ...nothing, method: 'POST', target: '/', body: text('a', 'bc', 'def') }],
  [
    'PUT of a length',
    { ...nothing, method: 'PUT', target: '/', body: text('0\r\n\r\nGET / HTTP/1.1\r\n\r\n'), declared: true },
  ],
  ['PATCH of nothing', { ...nothing, method: 'PATCH', target: '/', declared: true }],
  ['DELETE with a body', { ...nothing, method: 'DELETE', target: '/', body: text('body') }],
  ['GET with a body', { ...nothing, method: 'GET', target: '/', body: text('body'), declared: true }],
  ['POST that is large', { ...nothing, method: 'POST', target: '/', body: large }],
  ['PUT that is large', { ...nothing, method: 'PUT', target: '/', body: large, declared: true }],
  [
    'POST with trailers',
    { ...nothing, method: 'POST', target: '/', body: text('abc'), trailers: ['x-sum', '1', 'x-two', 'b c'] },
  ],
  [
    'POST that expects 100',
    { ...nothing, method: 'POST', target: '/', fields: ['expect', '100-continue'], body: text('abc') },
  ],
]

const answers: readonly (readonly [name: string, answer: Response])[] = [
  [
    '200 of a length',
    { ...nothing, status: 200, fields: ['b', '1', 'a', '2', 'x', 'y z \xe9'], body: text('hello'), declared: true },
  ],
  ['404 of unknown length', { ...nothing, status: 404, body: text('a', 'bc') }],
  ['201 of nothing', { ...nothing, status: 201, declared: true }],
  ['204', { ...nothing, status: 204, fields: ['etag', '"1"'] }],
  ['304', { ...nothing, status: 304, fields: ['etag', '"1"'] }],
  ['cookies', { ...nothing, status: 200, fields: ['set-cookie', 'a=1', 'set-cookie', 'b=2'], body: text('ok') }],
  ['early hints', { ...nothing, status: 200, hints: ['link', '</style.css>; rel=preload'], body: text('ok') }],
  ['large', { ...nothing, status: 200, body: large }],
  ['large, of a length', { ...nothing, status: 200, body: large, declared: true }],
  ['trailers', { ...nothing, status: 200, body: text('ok'), trailers: ['x-sum', '1', 'x-two', 'b c'] }],
]

/** What an end reads of a message, when all of it has arrived. */
function expectedOf(line: string, message: Request | Response, bodiless: boolean): Seen {
  const hints = 'hints' in message ? message.hints : []
  return {
    line,
    fields: endToEnd(message.fields),
    body: bodiless ? '' : digest(message.body),
    trailers: bodiless ? [] : message.trailers,
    interim: hints.length > 0 ? [['103', ...hints].join()] : [],
  }
}

/** The client, what is spoken from hop to hop, and the application's. */
const chains: readonly (readonly Codec[])[] = [
  ['http1', 'http1'],
  ['http1', 'http2'],
  ['http2', 'http1'],
  ['http2', 'http2'],
  ['http1', 'http2', 'http1'],
  ['http1', 'http2', 'http2'],
  ['http2', 'http2', 'http1'],
  ['http2', 'http2', 'http2'],
  ['http1', 'http2', 'http2', 'http1'],
]

for (const chain of chains) {
  t.test(chain.join(' -> '), async (t) => {
    const app = await application(t, chain.at(-1)!)
    let port = app.port
    for (let hop = chain.length - 2; hop >= 0; hop -= 1) {
      const path = await http2Path(t, { port }, { downstream: chain[hop]!, upstream: chain[hop + 1]! })
      port = path.port
    }
    const client = chain[0] === 'http1' ? http1Client(port) : http2Client(port)
    for (const [requestName, request] of requests) {
      for (const [answerName, answer] of requestName === 'GET' ? answers : answers.slice(0, 1)) {
        const name = `${requestName}: ${answerName}`
        app.answer = answer
        app.seen = undefined
        const { interim, ...got } = await client(request)
        t.strictSame(
          app.seen,
          expectedOf(`${request.method} ${request.target}`, request, false),
          `${name}, at the application`,
        )
        const bodiless = request.method === 'HEAD' || answer.status === 204 || answer.status === 304
        const { interim: hints, ...wanted } = expectedOf(String(answer.status), answer, bodiless)
        t.strictSame(got, wanted, `${name}, at the client`)
        t.strictSame(
          interim.filter((each) => !each.startsWith('100')),
          hints,
          `${name}, interim`,
        )
      }
    }
  })
}
