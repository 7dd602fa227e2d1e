import { isIP } from 'node:net'
import { isJsonObject, type JsonObject } from '../../identity/json.ts'
import { parseSpiffeId, type SpiffeId } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import { parseHost } from '../host.ts'
import { parseMethod } from '../match/method.ts'
import type { Reference, Violation } from '../model.ts'
import {
  andThen,
  foreign,
  list,
  object,
  oneOf,
  optional,
  parsed,
  pathOf,
  type Reader,
  reader,
  withDefault,
} from '../schema.ts'
import { MAX_STRING, port, spiffeId, text, timestamp, words } from '../validate/readers.ts'
import { describe } from '../violations.ts'

const POLICY_TEST = 'PolicyTest' as const
/** Most cases of one document. */
const MAX_CASES = 2000
const MAX_TOKENS = 4
const MAX_HEADERS = 100

export type Verdict = 'allow' | 'deny'

/** A request as a person writes it down. */
export interface CaseRequest {
  readonly principal: SpiffeId | 'anonymous'
  readonly protocol: 'http' | 'tcp'
  readonly method?: string
  /** Not yet normalised. */
  readonly path?: string
  readonly host?: string
  readonly port: number
  /** Flat. */
  readonly headers?: readonly string[]
  readonly address?: string
  readonly sni?: string
  readonly tokens: readonly { readonly issuer: string; readonly subject?: string; readonly claims: JsonObject }[]
  readonly apiKey?: { readonly id: string; readonly owner: string; readonly scopes: readonly string[] }
  /** Milliseconds since 1970. */
  readonly at?: number
}

export interface PolicyCase {
  readonly name: string
  readonly request: CaseRequest
  readonly expect: {
    readonly decision: Verdict
    /** `namespace/policy/rule`. */
    readonly rule?: string
    readonly code?: string
    /** The condition of the nearest ALLOW rule. */
    readonly failed?: string
    readonly audits?: readonly string[]
    readonly shadow?: Verdict
  }
  /** How the system that `source` describes decides, and why it is different here. */
  readonly elsewhere?: { readonly decision: Verdict; readonly reason: string }
}

export interface PolicyTest {
  readonly kind: typeof POLICY_TEST
  readonly name: string
  /** Whom the cases ask. */
  readonly workload: Reference
  /** Of the workload, where the resources have no Workload of this name. */
  readonly spiffeId?: SpiffeId
  /** Where the facts come from. */
  readonly source?: string
  /** Documents, in place of all others. */
  readonly resources?: readonly unknown[]
  readonly cases: readonly PolicyCase[]
}

/** A name, of namespace `default`, or `namespace/name`. */
const reference = parsed((text) => {
  const [first = '', second, ...more] = text.split('/')
  const name = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
  if (more.length > 0 || !name.test(first) || (second !== undefined && !name.test(second)))
    throw new OutriderError('name-malformed', `NAME or NAMESPACE/NAME, not ${JSON.stringify(text.slice(0, 100))}`)
  return second === undefined ? { namespace: 'default', name: first } : { namespace: first, name: second }
}, MAX_STRING)

const principal: Reader<SpiffeId | 'anonymous'> = parsed(
  (text) => (text === 'anonymous' ? text : parseSpiffeId(text)),
  MAX_STRING,
)

const address = text((text) => {
  if (isIP(text) === 0) throw new OutriderError('address-malformed', `not an IP address: ${JSON.stringify(text)}`)
})

/** A mapping of names in lower case to one value or several. Gives it flat, as engines hand headers on. */
const headers: Reader<readonly string[]> = andThen(foreign('a mapping', isJsonObject), (value, field, report) => {
  const entries = Object.entries(value)
  if (entries.length > MAX_HEADERS)
    return report({ field, code: 'list-too-long', message: `has more than ${MAX_HEADERS} entries` })
  const flat: string[] = []
  let whole = true
  for (const [name, given] of entries) {
    const values: readonly unknown[] = Array.isArray(given) ? given : [given]
    const at = pathOf(field, name)
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) {
      whole = false
      report({ field: at, code: 'header-malformed', message: 'not the name of a header in lower case' })
    }
    for (const one of values)
      if (typeof one === 'string') flat.push(name, one)
      else {
        whole = false
        report({ field: at, code: 'type-mismatch', message: `must be a text or a list of them, not ${describe(one)}` })
      }
  }
  return whole ? flat : undefined
})

const claims = foreign('a mapping', isJsonObject)

const token = object({ issuer: words, subject: optional(words), claims: withDefault(claims, {}) })
const apiKey = object({
  id: withDefault(words, 'test0000'),
  owner: words,
  scopes: withDefault(list(words, { max: 64 }), []),
})

const request: Reader<CaseRequest> = andThen(
  object({
    principal: withDefault(principal, 'anonymous'),
    protocol: withDefault(oneOf(['http', 'tcp']), 'http'),
    method: optional(text(parseMethod)),
    path: optional(words),
    host: optional(text(parseHost)),
    port: withDefault(port, 8080),
    headers: optional(headers),
    address: optional(address),
    sni: optional(words),
    tokens: withDefault(list(token, { max: MAX_TOKENS }), []),
    apiKey: optional(apiKey),
    at: optional(timestamp),
  }),
  (value, field, report) => {
    if (value.protocol === 'http') return value
    const none = ['method', 'path', 'host', 'headers'] as const
    const wrong = none.find((key) => value[key] !== undefined)
    if (wrong !== undefined || value.tokens.length > 0 || value.apiKey !== undefined)
      return report({
        field: pathOf(field, wrong ?? (value.apiKey === undefined ? 'tokens' : 'apiKey')),
        code: 'field-not-applicable',
        message: 'is for requests: a TCP connection has none',
      })
    return value
  },
)

const decisions = ['allow', 'deny'] as const

const expected = object({
  decision: oneOf(decisions),
  rule: optional(words),
  code: optional(words),
  failed: optional(words),
  audits: optional(list(words, { max: 64 })),
  shadow: optional(oneOf(decisions)),
})

const testCase: Reader<PolicyCase> = andThen(
  object({
    name: words,
    request,
    expect: expected,
    elsewhere: optional(object({ decision: oneOf(decisions), reason: words })),
  }),
  (value, field, report) =>
    value.elsewhere?.decision === value.expect.decision
      ? report({
          field: pathOf(field, 'elsewhere.decision'),
          code: 'case-no-difference',
          message: 'is what is expected here too: leave elsewhere out',
        })
      : value,
)

/** Documents of the resources that a test brings along. They are validated as others are. */
const resources: Reader<readonly unknown[]> = reader(
  { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  (value, field, report) =>
    Array.isArray(value)
      ? value
      : report({ field, code: 'type-mismatch', message: `must be a list of resources, not ${describe(value)}` }),
)

const policyTest: Reader<PolicyTest> = object({
  kind: oneOf<typeof POLICY_TEST>([POLICY_TEST]),
  name: words,
  workload: reference,
  spiffeId: optional(spiffeId),
  source: optional(words),
  resources: optional(resources),
  cases: list(testCase, { min: 1, max: MAX_CASES, unique: { keyOf: ({ name }) => name } }),
})

/** Reads a request as a case has it. */
export function readCaseRequest(value: unknown): CaseRequest | readonly Violation[] {
  return readWith(request, value)
}

/** Is this document a test, whatever else may be wrong with it? */
export function isPolicyTest(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === POLICY_TEST
}

/** Reads a document of kind PolicyTest: see docs/reference/resources.md. */
export function readPolicyTest(value: unknown): PolicyTest | readonly Violation[] {
  return readWith(policyTest, value)
}

function readWith<T>(reader: Reader<T>, value: unknown): T | readonly Violation[] {
  const violations: Violation[] = []
  const read = reader(value, '', (violation) => {
    violations.push(violation)
    return undefined
  })
  return read ?? violations
}
