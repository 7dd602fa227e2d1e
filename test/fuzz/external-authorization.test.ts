import * as fc from 'fast-check'
import t from 'tap'
import { formatApiKey, parseApiKey } from '../../src/identity/api-key.ts'
import { noRevocations } from '../../src/identity/revocation.ts'
import { changeHeaders, isFieldName, isFieldValue } from '../../src/http/header-changes.ts'
import { normalisePath } from '../../src/policy/normalise.ts'
import { protocols } from '../../src/rpc/load.ts'
import { readAnswer } from '../../src/sidecar/external/answer.ts'
import { changeQuery } from '../../src/sidecar/external/query.ts'
import { subjectOf } from '../../src/sidecar/ext-authz/subject.ts'
import type { CheckRequest } from '../../src/wire/envoy/service/auth/v3/CheckRequest.ts'
import type { CheckResponse } from '../../src/wire/envoy/service/auth/v3/CheckResponse.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
const properties = 4
const seconds = Number(process.env['FUZZ_SECONDS'] ?? 8)
const runs = {
  seed,
  numRuns: Number.MAX_SAFE_INTEGER,
  interruptAfterTimeLimit: (seconds * 1000) / properties,
  markInterruptAsFailure: false,
}
console.log(`seed ${seed}`)
t.setTimeout((seconds + 60) * 1000)

const { Check } = protocols().authorization.Authorization.service
const text = fc.oneof(
  fc.constantFrom(
    '',
    'x-user',
    'Host',
    ':path',
    'content-length',
    'X-Request-Id',
    'x-outrider-refusal',
    'te',
    'claim',
    'a b',
    '\r\n',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const option = fc.record({
  header: fc.option(fc.record({ key: text, value: text }), { nil: null }),
  append: fc.option(fc.record({ value: fc.boolean() }), { nil: null }),
  appendAction: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
})
const response: fc.Arbitrary<CheckResponse> = fc.record(
  {
    status: fc.record({ code: fc.constantFrom(0, 7, 16) }),
    okResponse: fc.record({
      headers: fc.array(option, { maxLength: 4 }),
      headersToRemove: fc.array(text, { maxLength: 4 }),
      responseHeadersToAdd: fc.array(option, { maxLength: 2 }),
      queryParametersToSet: fc.array(fc.record({ key: text, value: text }), { maxLength: 2 }),
      queryParametersToRemove: fc.array(text, { maxLength: 2 }),
    }),
    deniedResponse: fc.record({
      status: fc.record({ code: fc.nat(700) }),
      headers: fc.array(option, { maxLength: 4 }),
      body: text,
    }),
  },
  { requiredKeys: [] },
)
const claims = new Set(['claim'])
const ours = /^(?::|x-outrider-|x-request-id$|host$|content-length$|te$|claim$|traceparent$|x-forwarded-client-cert$)/

t.test('whatever a server answers, what is ours stays, and what goes on is well-formed', async () => {
  fc.assert(
    fc.property(response, (message) => {
      const { okResponse, deniedResponse, ...rest } = message
      const one =
        okResponse === undefined ? { ...rest, ...(deniedResponse && { deniedResponse }) } : { ...rest, okResponse }
      const answer = readAnswer(Check.responseDeserialize(Check.responseSerialize(one)), claims)
      if (answer.kind === 'malformed') return
      if (answer.kind === 'allowed' && message.status?.code !== 0 && okResponse === undefined)
        throw new Error('allowed')
      if (answer.kind === 'denied') {
        if (answer.status < 200 || answer.status > 599) throw new Error(`status ${answer.status}`)
        for (const [index, part] of answer.headers.entries()) {
          if (index % 2 === 0 ? !isFieldName(part) : !isFieldValue(part)) throw new Error('a broken header')
        }
        return
      }
      const { changes } = answer
      if (changes === undefined) return
      const before = ['host', 'x', 'claim', 'proven', 'x-request-id', 'id', 'content-length', '1']
      const after = changeHeaders(before, changes.headers, changes.removed)
      if (after.slice(0, before.length).join() !== before.join()) throw new Error('what is ours has changed')
      for (let index = before.length; index < after.length; index += 2) {
        if (ours.test(after[index]!) || !isFieldName(after[index]!)) throw new Error('a field that is ours')
        if (!isFieldValue(after[index + 1]!)) throw new Error('a broken value')
      }
      const target = changeQuery('/p?a=1', changes.query)
      const normalised = normalisePath(target)
      if (!normalised.ok || normalised.path !== '/p' || normalised.path + normalised.query !== target)
        throw new Error(target)
    }),
    runs,
  )
})

t.test('bytes of any kind are an answer, or no answer, and never more', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      let message
      try {
        message = Check.responseDeserialize(Buffer.from(bytes))
      } catch {
        // What grpc-js makes an error of.
        return
      }
      readAnswer(message, claims)
    }),
    runs,
  )
})

const path = fc
  .array(fc.constantFrom('/', '.', '..', 'a', '%2e', '%2F', '%41', '?', '//', '%', '\\', '#', ' '), { maxLength: 8 })
  .map((pieces) => `/${pieces.join('')}`)
const question: fc.Arbitrary<CheckRequest> = fc.record({
  attributes: fc.record(
    {
      source: fc.record({
        principal: fc.oneof(fc.constantFrom('', 'spiffe://test.local/ns/a/sa/b', 'spiffe://other/x', 'CN=x'), text),
        certificate: text,
        address: fc.record({ socketAddress: fc.record({ address: text, portValue: fc.nat(70_000) }) }),
      }),
      request: fc.record({
        http: fc.option(
          fc.record({
            method: text,
            path,
            host: text,
            protocol: text,
            headers: fc.dictionary(text, text, { maxKeys: 3 }),
          }),
          { nil: null },
        ),
      }),
      contextExtensions: fc.dictionary(fc.constantFrom('outrider.port', 'x'), text, { maxKeys: 2 }),
      tlsSession: fc.record({ sni: text }),
    },
    { requiredKeys: [] },
  ),
})

t.test('whatever is told of a request, it is read or refused, and read in its normal form only', async () => {
  fc.assert(
    fc.property(question, (message) => {
      const { attributes } = Check.requestDeserialize(Check.requestSerialize(message))
      const subject = subjectOf(attributes!, { bundles: new Map(), revocations: noRevocations }, 0)
      if (subject.kind === 'refusal') return
      const { asked, query } = subject
      // There is no bundle: nobody can be believed.
      if (asked.principal.kind !== 'anonymous') throw new Error('believed')
      const told = message.attributes?.request?.http
      if (told && asked.path !== undefined && asked.path + query !== told.path) throw new Error('another path')
    }),
    runs,
  )
})

t.test('a text is a key in one spelling, or none', async () => {
  const piece = fc.constantFrom('ork_', '_', 'abcdefgh', 'A'.repeat(43), '0'.repeat(8), '-', '=', '+', '\n')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece, { maxLength: 8 }).map((parts) => parts.join('')),
        fc.string(),
      ),
      (candidate) => {
        const parts = parseApiKey(candidate)
        if (parts !== undefined && formatApiKey(parts) !== candidate) throw new Error('another spelling')
      },
    ),
    runs,
  )
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9]{8,32}$/), fc.uint8Array({ minLength: 32, maxLength: 32 }), (id, bytes) => {
      const secret = Buffer.from(bytes)
      const parts = parseApiKey(formatApiKey({ id, secret }))
      if (parts?.id !== id || !parts.secret.equals(secret)) throw new Error('not read as it was written')
    }),
    { ...runs, interruptAfterTimeLimit: 1000 },
  )
})
