import * as fc from 'fast-check'
import t from 'tap'
import { DETECTION_BYTES, type DetectedProtocol, detectProtocol } from '../../../src/http/detect.ts'
import { parseRequestHead, servedMethods } from '../../../src/http/h1/head.ts'
import { testLimits } from '../../fixtures/http.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

const samples: readonly (readonly [string, DetectedProtocol, number])[] = [
  // What is sent, what it is, and how many of its bytes decide that.
  ['\x16\x03\x01\x02\x00\x01', 'tls', 2],
  ['\x16\x04\x01\x02', 'tcp', 2],
  [`${preface}\0\0\0\x04`, 'http2', 24],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\rX', 'tcp', 24],
  ['PRI / HTTP/1.1\r\n', 'tcp', 5],
  ['PUT / HTTP/1.1\r\n', 'http1', 5],
  ['PROPFIND /a HTTP/1.1', 'http1', 10],
  ['GET / HTTP/1.1\r\n', 'http1', 5],
  ['OPTIONS * HTTP/1.1\r\n', 'http1', 9],
  ['GET http://a/ HTTP/1.1\r\n', 'http1', 11],
  ['UNSUBSCRIBE HTTPS://a/ HTTP/1.1\r\n', 'http1', 20],
  ['CONNECT a:443 HTTP/1.1\r\n', 'http1', 9],
  ['CONNECT [::1]:443 HTTP/1.1\r\n', 'http1', 9],
  ['CONNECT {"verbose":true}\r\n', 'tcp', 9],
  ['CONNECT\naccept-version:1.2\n', 'tcp', 8],
  ['GET key\r\n', 'tcp', 5],
  ['GET httpd\r\n', 'tcp', 9],
  ['GET  / HTTP/1.1\r\n', 'tcp', 5],
  ['get / HTTP/1.1\r\n', 'tcp', 1],
  ['FETCH / HTTP/1.1\r\n', 'tcp', 1],
  [' GET / HTTP/1.1\r\n', 'tcp', 1],
  ['EHLO example.org\r\n', 'tcp', 1],
  ['SSH-2.0-OpenSSH_9\r\n', 'tcp', 2],
  ['*1\r\n$4\r\nPING\r\n', 'tcp', 1],
  ['\0\0\0\x08\x04\xd2\x16\x2f', 'tcp', 1],
]

for (const [text, protocol, decides] of samples)
  t.test(`${JSON.stringify(text)} is ${protocol}, cut at every byte`, async (t) => {
    for (let length = 0; length <= text.length; length += 1) {
      const found = detectProtocol(Buffer.from(text.slice(0, length), 'latin1'))
      t.equal(found, length < decides ? undefined : protocol, `${length} bytes`)
    }
  })

t.test('every request that the HTTP/1 engine takes is detected as one', async (t) => {
  let taken = 0
  for (const method of servedMethods)
    for (const target of ['/', '/x?y', '*', 'http://a/', 'HTTPS://a', 'x', '?', 'ftp://a/'])
      for (const version of ['1.0', '1.1']) {
        const head = `${method} ${target} HTTP/${version}\r\nHost: a\r\n`
        if (typeof parseRequestHead(head, testLimits) === 'string') continue
        taken += 1
        t.equal(detectProtocol(Buffer.from(head)), 'http1', head)
      }
  t.ok(taken > 8 * servedMethods.size, `${taken} heads`)
})

t.test('what a few bytes decide, more bytes do not change, and there is a bound', async () => {
  const start = fc.constantFrom('', 'GET ', 'P', 'PRI * HTTP/2.0\r\n', preface, '\x16', 'OPTIONS http', 'CONNECT ')
  const bytes = fc
    .tuple(start, fc.string({ unit: 'binary', maxLength: 40 }))
    .map(([begin, more]) => Buffer.from(begin + more, 'latin1'))
  fc.assert(
    fc.property(bytes, (bytes) => {
      const whole = detectProtocol(bytes)
      if (whole === undefined && bytes.length >= DETECTION_BYTES) throw new Error('undecided')
      for (let length = 0; length < bytes.length; length += 1) {
        const found = detectProtocol(bytes.subarray(0, length))
        if (found !== undefined && found !== whole) throw new Error(`${found} at ${length}, ${whole} at the end`)
      }
    }),
    { seed, numRuns: 2000 },
  )
})
