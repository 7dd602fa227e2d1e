// Every vector of test/vectors/http2-messages.jsonl: what a field block says, or the fault that it is.
import t from 'tap'
import { h2Faults } from '../../../src/http/h2/fault.ts'
import { ParsedRequest, parseRequest, parseResponse, parseTrailers } from '../../../src/http/h2/message.ts'
import { requestHeadText } from '../../../src/http/h1/serialize.ts'
import { testLimits } from '../../fixtures/http.ts'
import { messageVectors } from '../../fixtures/h2-frames.ts'

const vectors = messageVectors()

t.test('requests', (t) => {
  for (const vector of vectors) {
    if (vector.of !== 'request') continue
    const { name, fields, ended, expect } = vector
    const request = parseRequest(fields, testLimits, ended)
    if (request instanceof ParsedRequest) t.equal(requestHeadText(request), vector.arrives, name)
    else t.equal(request, expect, name)
  }
  t.end()
})

t.test('responses', (t) => {
  for (const vector of vectors) {
    if (vector.of !== 'response') continue
    const response = parseResponse(vector.fields, testLimits)
    if (typeof response === 'string') t.equal(response, vector.expect, vector.name)
    else {
      const { status, headers, contentLength } = vector
      t.strictSame(
        { status: response.status, headers: response.headers, contentLength: response.contentLength },
        { status, headers, contentLength },
        vector.name,
      )
    }
  }
  t.end()
})

t.test('trailers', (t) => {
  for (const { of, name, fields, expect } of vectors) {
    if (of !== 'trailers') continue
    t.strictSame(parseTrailers([...fields], testLimits), expect === 'taken' ? fields : expect, name)
  }
  t.end()
})

t.test('underscoresInHeaders: allow', (t) => {
  const limits = { ...testLimits, underscoresInHeaders: 'allow' } as const
  const head = [':method', 'GET', ':scheme', 'http', ':authority', 'a', ':path', '/', 'x_y', '1']
  t.match(parseRequest(head, limits, true), { headers: ['x_y', '1'] })
  t.strictSame(parseTrailers(['x_y', '1'], limits), ['x_y', '1'])
  t.end()
})

t.test('every fault of a message has a vector', (t) => {
  const seen = new Set<string>(vectors.map(({ expect }) => expect))
  const ofMessages = Object.keys(h2Faults).filter((code) => /fields?$|name|value|content-length|trailers/.test(code))
  t.ok(ofMessages.length >= 6)
  t.strictSame(
    ofMessages.filter((code) => !seen.has(code)),
    [],
  )
  t.end()
})
