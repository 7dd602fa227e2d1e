import * as fc from 'fast-check'
import t from 'tap'
import { parseAccessLine } from '../../../src/telemetry/access-log-line.ts'
import { accessLines, type RecordPart } from '../../fixtures/access-lines.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)

function read(part: RecordPart): ReturnType<typeof parseAccessLine> {
  return parseAccessLine(accessLines([part]).trimEnd())
}

t.test('what was written is read back', async (t) => {
  t.match(
    read({
      requestId: 'r9',
      status: 403,
      code: 'no-allow-rule',
      facts: {
        sni: 'api.example.org',
        grpc: true,
        user: {
          tokens: [
            { issuer: 'https://a/b', subject: 'u/1' },
            { issuer: 'https://c', subject: undefined },
          ],
          apiKey: { id: 'k1', owner: 'acme', scopes: ['r', 'w'] },
        },
        headers: [
          ['x-team', ['a', 'b']],
          ['x-none', []],
        ],
      },
    }),
    {
      kind: 'decided',
      request: {
        workload: 'spiffe://example.org/ns/shop/sa/api',
        requestId: 'r9',
        status: 403,
        decided: 'deny',
        request: {
          principal: { kind: 'peer', id: 'spiffe://example.org/ns/shop/sa/web' },
          method: 'GET',
          path: '/items',
          port: 8080,
          host: 'api',
          address: '10.0.0.1',
          sni: 'api.example.org',
          headers: ['x-team', 'a', 'x-team', 'b', 'content-type', 'application/grpc'],
          user: {
            tokens: [
              { issuer: 'https://a/b', subject: 'u/1', claims: { iss: 'https://a/b', sub: 'u/1' } },
              { issuer: 'https://c', subject: undefined, claims: { iss: 'https://c' } },
            ],
            apiKey: { id: 'k1', owner: 'acme', scopes: ['r', 'w'] },
          },
          nowMs: Date.UTC(2026, 0, 1, 12),
        },
        unrecorded: {
          host: false,
          address: false,
          sni: false,
          user: false,
          claims: true,
          headers: new Set(['x-team', 'x-none']),
        },
      },
    },
  )
})

t.test('what was not written is known to be missing', async (t) => {
  const gaps = (part: RecordPart): unknown => {
    const line = read(part)
    return line.kind === 'decided' ? line.request.unrecorded : line
  }
  t.match(gaps({ facts: { host: undefined, address: undefined, sni: undefined, user: undefined } }), {
    host: true,
    address: true,
    sni: true,
    user: true,
    claims: false,
  })
  t.match(gaps({ facts: { sni: '' } }), { sni: false }, 'it asked for none')
  t.match(gaps({ method: 'CONNECT', path: '', protocol: 'TCP', facts: { host: undefined, user: undefined } }), {
    host: false,
    user: false,
    headers: undefined,
  })
})

t.test('codes of stages after the policy leave a request allowed', async (t) => {
  t.match(read({ status: 429, code: 'rate-limited', rule: 'shop/p/r' }), {
    request: { decided: 'allow', rule: 'shop/p/r' },
  })
  t.match(read({ status: 502, code: 'upstream-gone' }), { request: { decided: 'allow' } })
  t.match(read({ status: 403, code: 'denied-by-rule' }), { request: { decided: 'deny' } })
})

t.test('any line gets an answer', async (t) => {
  const kinds = new Set<string>()
  const whole: object = JSON.parse(accessLines([{ facts: { headers: [['x', ['y']]] } }]))
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.jsonValue().map((value) => JSON.stringify(value)),
        fc
          .tuple(fc.constantFrom(...Object.keys(whole)), fc.jsonValue())
          .map(([field, value]) => JSON.stringify({ ...whole, [field]: value })),
        fc.constantFrom(...Object.keys(whole)).map((field) => JSON.stringify({ ...whole, [field]: undefined })),
      ),
      (line) => {
        kinds.add(parseAccessLine(line).kind)
        return true
      },
    ),
    { seed, numRuns: 5000 },
  )
  t.same([...kinds].toSorted(), ['decided', 'malformed', 'other'])
})
