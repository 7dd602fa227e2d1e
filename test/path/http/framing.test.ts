// Every vector of test/vectors/http1-framing.jsonl over real sockets.
import t from 'tap'
import { protocolFaults } from '../../../src/http/protocol-fault.ts'
import { framingVectors, httpPath, nodeApp, rawApp, testLimits } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const vectors = framingVectors()
const BEHIND = 'GET /behind HTTP/1.1\r\nHost: a\r\n\r\n'

t.test('what is refused never reaches the application, nor does what stands behind it', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app)
  for (const { name, raw, expect } of vectors) {
    if (expect === 'forwarded') continue
    for (const text of [raw, raw + BEHIND]) {
      path.serverFaults.length = 0
      const answer = await path.exchange(text)
      const { status } = protocolFaults[expect]
      const ok =
        path.serverFaults.join() === expect &&
        new RegExp(`^HTTP/1\\.1 ${status} [^\r]+\r\n[^]*\r\nconnection: close\r\n\r\n${expect}: .*\n$`).test(answer)
      if (!ok) t.fail(name, { faults: path.serverFaults.join(), expect, answer })
    }
    t.equal(app.requests.length, 0, name)
  }
  for (const { finished } of path.requests) t.equal(finished.length, 1)
})

t.test('what is forwarded arrives as written here', async (t) => {
  const app = await rawApp(t)
  for (const vector of vectors) {
    if (vector.expect !== 'forwarded') continue
    const path = await httpPath(t, app)
    const client = await path.client()
    client.send(vector.raw)
    const upstream = await app.accept()
    await upstream.until((text) => text.length >= vector.arrives.length)
    t.equal(upstream.text, vector.arrives, vector.name)
    await path.close()
  }
})

t.test('every fault code of a request has a vector, or a test of its own', (t) => {
  const elsewhere = new Set([
    'head-too-large',
    'too-many-fields',
    'head-timed-out',
    'request-timed-out',
    'body-too-large',
    'body-incomplete',
    'status-line-malformed',
    'chunk-extensions-too-large',
    'response-unexpected',
    'informational-in-1.0',
    'websocket-accept-wrong',
  ])
  const seen = new Set<string>(vectors.map(({ expect }) => expect))
  t.strictSame(
    Object.keys(protocolFaults).filter((code) => !seen.has(code) && !elsewhere.has(code)),
    [],
  )
  t.end()
})

/** Requests with so many bytes of head, of fields, of chunk extensions, of trailers. */
const head = (fill: number): string => {
  const bare = 'GET / HTTP/1.1\r\nHost: a\r\nX: \r\nConnection: close\r\n\r\n'
  return bare.replace('X: ', `X: ${'x'.repeat(fill - bare.length)}`)
}
const fields = (count: number): string =>
  `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${'X: 1\r\n'.repeat(count - 2)}\r\n`
const chunked = (body: string): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${body}`
const extended = (total: number): string =>
  chunked(`1;${'x'.repeat(2000)}\r\na\r\n0;${'x'.repeat(total - 2000)}\r\n\r\n`)
const trailers = (fill: number): string => chunked(`0\r\nX: ${'x'.repeat(fill - 7)}\r\n\r\n`)

t.test('bounds: what fits is forwarded, one more is refused', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app)
  t.match(await path.exchange(head(testLimits.maxHeadBytes)), /^HTTP\/1\.1 200/)
  t.match(await path.exchange(head(testLimits.maxHeadBytes + 1)), /^HTTP\/1\.1 431 [^]*head-too-large/)
  t.match(await path.exchange(`GET /${'x'.repeat(100_000)}`), /^HTTP\/1\.1 431 [^]*head-too-large/, 'without an end')
  t.match(await path.exchange('GET '.repeat(1024)), /^HTTP\/1\.1 431 [^]*head-too-large/, 'as many bytes, no end')

  t.match(await path.exchange(fields(testLimits.maxHeadFields)), /^HTTP\/1\.1 200/)
  t.match(await path.exchange(fields(testLimits.maxHeadFields + 1)), /^HTTP\/1\.1 431 [^]*too-many-fields/)

  t.match(await path.exchange(extended(4096)), /^HTTP\/1\.1 200/)
  t.match(await path.exchange(extended(4097)), /^HTTP\/1\.1 400 [^]*chunk-extensions-too-large/, 'over all chunks')
  t.match(await path.exchange(trailers(testLimits.maxHeadBytes)), /^HTTP\/1\.1 200/)
  t.match(await path.exchange(trailers(testLimits.maxHeadBytes + 1)), /^HTTP\/1\.1 431 [^]*head-too-large/)
  t.match(await path.exchange(chunked(`0\r\n${'X: 1\r\n'.repeat(21)}\r\n`)), /^HTTP\/1\.1 431 [^]*too-many-fields/)
})

t.test('maxBodyBytes', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app, { limits: { maxBodyBytes: 10 } })
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n'
  t.match(await path.exchange(`${head}Content-Length: 10\r\n\r\n0123456789`), /^HTTP\/1\.1 200/)
  t.match(
    await path.exchange(`${head}Content-Length: 11\r\n\r\n`),
    /^HTTP\/1\.1 413 [^]*body-too-large/,
    'before it comes',
  )
  const chunks = `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n`
  t.match(await path.exchange(`${chunks}0\r\n\r\n`), /^HTTP\/1\.1 200/)
  path.serverFaults.length = 0
  t.match(await path.exchange(`${chunks}1\r\na\r\ng\r\n`), /^HTTP\/1\.1 413 [^]*body-too-large/)
  t.strictSame(path.serverFaults, ['body-too-large'], 'named once, though what follows is bad, too')
  t.equal(app.requests.length, 2)
})

t.test('underscoresInHeaders: allow', async (t) => {
  const app = await nodeApp(t)
  const path = await httpPath(t, app, { limits: { underscoresInHeaders: 'allow' } })
  await path.exchange('GET / HTTP/1.1\r\nHost: a\r\nX_a: b\r\nConnection: close\r\n\r\n')
  t.ok(app.requests[0]?.headers.includes('x_a'))
})
