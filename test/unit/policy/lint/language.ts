import * as fc from 'fast-check'
import { parseSpiffeId } from '../../../../src/identity/spiffe-id.ts'
import type { DecisionRequest, TokenIdentity } from '../../../../src/policy/decision.ts'
import type {
  AuthorizationPolicy,
  AuthorizationRule,
  ClaimMatch,
  Condition,
  OperationMatch,
  SourceMatch,
} from '../../../../src/policy/model.ts'

/*
 * Policies and requests in the whole language of conditions, out of so few words that rules often cover, contradict and meet each
 * other.
 */

function some<T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.uniqueArray(item, { minLength: 1, maxLength: 2, selector: (value) => JSON.stringify(value) })
}

/** An object of a few of these fields, one at least. */
function few<T extends object>(
  fields: {
    [K in keyof T]?: fc.Arbitrary<NonNullable<T[K]>>
  },
): fc.Arbitrary<Partial<T>> {
  const entries = Object.entries<fc.Arbitrary<unknown> | undefined>(fields)
  return fc
    .shuffledSubarray(entries, { minLength: 1, maxLength: Math.min(3, entries.length) })
    .chain((chosen) =>
      fc.tuple(...chosen.map(([key, value]) => (value ?? fc.constant(undefined)).map((made) => ({ [key]: made })))),
    )
    .map((parts): Partial<T> => Object.assign({}, ...parts))
}

const ids = [
  'spiffe://a.org/ns/x/sa/p',
  'spiffe://a.org/ns/y/sa/p',
  'spiffe://a.org/ns/x/sa/q',
  'spiffe://b.org/ns/x/sa/p',
] as const
const idPattern = fc.constantFrom(...ids, 'spiffe://a.org/*', 'spiffe://a.org/ns/x/*', 'spiffe://a.org/ns/*/sa/p')
const issuer = fc.constantFrom('https://i', 'https://j')
const principal = fc.constantFrom('https://i/u', 'https://i/v', 'https://j/u', 'https://i/*', '*')
const value = fc.constantFrom('a', 'ab', 'b', 'a*', '*b', '*')
const valueMatch = fc
  .tuple(fc.option(some(value)), fc.option(some(value)), fc.option(fc.constantFrom(['a.*'], ['[ab]+', 'a.*'])))
  .filter((parts) => parts.some((part) => part !== null))
  .map(([values, notValues, matches]) => ({
    ...(values === null ? {} : { values }),
    ...(notValues === null ? {} : { notValues }),
    ...(matches === null ? {} : { matches }),
  }))
const claim: fc.Arbitrary<ClaimMatch> = fc
  .tuple(fc.constantFrom('role', 'scope'), valueMatch)
  .map(([name, match]) => ({ claim: name, ...match }))
const namespaces = some(fc.constantFrom('x', 'y'))
const accounts = some(fc.constantFrom('x/p', 'y/p', 'p'))
const trustDomains = some(fc.constantFrom('a.org', 'b.org'))
const blocks = some(fc.constantFrom('10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '2001:db8::/32'))
const owners = some(fc.constantFrom('o', 'r'))
const source = few<SourceMatch>({
  spiffeIds: some(idPattern),
  notSpiffeIds: some(idPattern),
  namespaces,
  notNamespaces: namespaces,
  serviceAccounts: accounts,
  notServiceAccounts: accounts,
  trustDomains,
  notTrustDomains: trustDomains,
  ipBlocks: blocks,
  notIpBlocks: blocks,
  requestPrincipals: some(principal),
  notRequestPrincipals: some(principal),
  claims: some(claim),
  apiKeyOwners: owners,
  notApiKeyOwners: owners,
  apiKeyScopes: some(fc.constantFrom('s', 't')),
})
const host = some(fc.constantFrom('h.org', 'g.h.org', '*.h.org', '*.org'))
const ports = some(fc.constantFrom(80, 81))
const methods = some(fc.constantFrom('GET', 'POST'))
const paths = some(
  fc.constantFrom(
    '/',
    '/a',
    '/a/',
    '/a/b',
    '/a*',
    '/a/*',
    '/a/{*}',
    '/{*}/b',
    '/a/{**}',
    '/{**}',
    '/{*}/{**}/b',
    '*',
    '/s.S/M',
  ),
)
const grpc = some(fc.constantFrom('s.S/M', 's.S/N', 's.S/*'))
const operation = few<OperationMatch>({
  hosts: host,
  notHosts: host,
  ports,
  notPorts: ports,
  methods,
  notMethods: methods,
  paths,
  notPaths: paths,
  grpcMethods: grpc,
  notGrpcMethods: grpc,
})
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.tuple(fc.constantFrom('t', 'cookie'), valueMatch).map(([header, match]) => ({ header, ...match })),
  claim,
  host.map((sni) => ({ sni })),
  fc.constantFrom('UTC', 'Europe/Berlin').map((zone) => ({ time: { fromMinute: 60, toMinute: 120, zone } })),
  fc.constantFrom({ cel: 'request.port == 80' }, { cel: 'request.method == "GET"' }),
)
const rule: fc.Arbitrary<AuthorizationRule> = fc
  .tuple(
    fc.option(some(source), { freq: 2 }),
    fc.option(some(operation), { freq: 2 }),
    fc.option(some(condition), { freq: 1 }),
  )
  .map(([from, to, when]) => ({
    ...(from === null ? {} : { from }),
    ...(to === null ? {} : { to }),
    ...(when === null ? {} : { when }),
  }))

const callers = few<SourceMatch>({
  spiffeIds: some(idPattern),
  notSpiffeIds: some(idPattern),
  namespaces,
  notNamespaces: namespaces,
  serviceAccounts: accounts,
  notServiceAccounts: accounts,
  trustDomains,
  notTrustDomains: trustDomains,
})
const users = few<SourceMatch>({
  requestPrincipals: some(principal),
  notRequestPrincipals: some(principal),
  claims: some(claim),
  apiKeyOwners: owners,
  notApiKeyOwners: owners,
})

/** Two rules about one thing each, the same: what one says of the other shows. */
export const alike: fc.Arbitrary<readonly [AuthorizationRule, AuthorizationRule]> = fc.oneof(
  pair(callers.map((entry) => ({ from: [entry] }))),
  pair(users.map((entry) => ({ from: [entry] }))),
  pair(some(claim).map((claims) => ({ from: [{ claims }] }))),
  pair(few<SourceMatch>({ ipBlocks: blocks, notIpBlocks: blocks }).map((entry) => ({ from: [entry] }))),
  pair(few<OperationMatch>({ hosts: host, notHosts: host }).map((entry) => ({ to: [entry] }))),
  pair(few<OperationMatch>({ paths, notPaths: paths, methods, notMethods: methods }).map((entry) => ({ to: [entry] }))),
  pair(few<OperationMatch>({ grpcMethods: grpc, notGrpcMethods: grpc, ports }).map((entry) => ({ to: [entry] }))),
  pair(condition.map((one) => ({ when: [one] }))),
  pair(some(condition).map((when) => ({ when }))),
)

function pair(rule: fc.Arbitrary<AuthorizationRule>): fc.Arbitrary<readonly [AuthorizationRule, AuthorizationRule]> {
  return fc.tuple(rule, rule)
}

/** A second rule that is the first one with a part taken out or added: so they often cover each other. */
const related = fc
  .tuple(rule, rule, fc.constantFrom('from', 'to', 'when', 'none'))
  .map(([first, other, part]): AuthorizationRule[] => {
    if (part === 'none') return [first, other]
    const { [part]: _, ...rest } = first
    return [first, other[part] === undefined ? rest : { ...rest, [part]: other[part] }]
  })

const window = fc.constantFrom(
  {},
  {},
  {},
  { notAfterMs: 500 },
  { notBeforeMs: 0, notAfterMs: 5_000_000 },
  { notBeforeMs: 3_600_000 },
)

/** Policies of one namespace, whose rules have names. */
export const policySet: fc.Arbitrary<AuthorizationPolicy[]> = fc
  .array(
    fc.tuple(
      fc.constantFrom('ALLOW' as const, 'ALLOW' as const, 'DENY' as const, 'AUDIT' as const),
      related,
      window,
      fc.constantFrom([], ['web'], ['other']),
      fc.nat(5),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((list) =>
    list.map(([action, rules, times, workloads, dry], index) => ({
      kind: 'AuthorizationPolicy',
      metadata: { namespace: 'x', name: `p${index}` },
      spec: {
        workloads,
        action,
        ...(dry === 0 ? { dryRun: true as const } : {}),
        ...times,
        rules: rules.map((rule, at) => ({ name: `r${at}`, ...rule })),
      },
    })),
  )

const claimValue = fc.constantFrom('a', 'ab', 'b', 'c')
const token: fc.Arbitrary<TokenIdentity> = fc
  .tuple(
    issuer,
    fc.constantFrom('u', 'v', undefined),
    fc.record(
      {
        role: fc.oneof(claimValue, fc.array(claimValue, { maxLength: 2 })),
        scope: fc.constantFrom('a', 'a b', 'c'),
      },
      { requiredKeys: [], noNullPrototype: true },
    ),
  )
  .map(([iss, subject, claims]) => ({ issuer: iss, subject, claims, expiresAtMs: Number.MAX_SAFE_INTEGER }))

const http = fc.record(
  {
    method: fc.constantFrom('GET', 'POST'),
    path: fc.constantFrom('/', '/a', '/a/', '/a/b', '/a/b/', '/ab', '/b/b', '/c/d/b', '/s.S/M', '/s.S/N'),
    host: fc.constantFrom('h.org', 'g.h.org', 'k.org', undefined),
    headers: fc.constantFrom(
      [],
      ['t', 'a'],
      ['t', 'b'],
      ['t', 'a', 't', 'c'],
      ['t', 'ab', 't', 'a'],
      ['cookie', 'a; b'],
      ['content-type', 'application/grpc'],
    ),
    user: fc.tuple(fc.array(token, { maxLength: 2 }), fc.constantFrom('o', 'r', undefined)).map(([tokens, owner]) => ({
      tokens,
      apiKey: owner === undefined ? undefined : { id: 'k', owner, scopes: ['s'], expiresAtMs: Number.MAX_SAFE_INTEGER },
    })),
  },
  { noNullPrototype: true },
)

/** Requests and TCP connections at 1 s after the beginning of time, or later. */
export const anyRequest: fc.Arbitrary<DecisionRequest> = fc
  .tuple(
    fc.constantFrom(...ids, undefined),
    fc.oneof(
      { weight: 4, arbitrary: http },
      { weight: 1, arbitrary: fc.constant({ method: undefined, path: undefined }) },
    ),
    fc.constantFrom(80, 81),
    fc.constantFrom('10.1.2.3', '10.9.9.9', '::ffff:10.1.0.1', '2001:db8::1', undefined),
    fc.constantFrom('h.org', 'g.h.org', undefined),
    fc.constantFrom(1000, 3_600_000, 4_000_000, 7_300_000),
  )
  .map(([id, rest, port, address, sni, nowMs]) => ({
    principal:
      id === undefined
        ? ({ kind: 'anonymous', why: 'plaintext-port' } as const)
        : ({ kind: 'peer', id: parseSpiffeId(id) } as const),
    ...rest,
    port,
    address,
    sni,
    nowMs,
  }))
