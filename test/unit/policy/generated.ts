import * as fc from 'fast-check'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import type { DecisionRequest, TokenIdentity, UserIdentity } from '../../../src/policy/decision.ts'
import {
  actions,
  type AuthorizationPolicy,
  type AuthorizationRule,
  type Condition,
  type OperationMatch,
  type SourceMatch,
  weekdays,
} from '../../../src/policy/model.ts'
import { connection, path, pathPattern } from './reference.ts'

// Policies and requests with everything that rules can ask for. Few and short names, so that they often meet.

const name = fc.constantFrom('a', 'b', 'ab')
const namespace = fc.constantFrom('shop', 'bank')
const trustDomain = fc.constantFrom('a.org', 'b.org')
const host = fc.constantFrom('a.example.org', 'b.example.org', 'x.a.example.org', 'example.org')
const hostPattern = fc.oneof(host, fc.constantFrom('*.example.org', '*.a.example.org', '*.org'))
const issuer = fc.constantFrom('https://i', 'https://i/x')
const grpcMethod = fc.constantFrom('a.S/M', 'a.S/*', 'b.T/M')
const port = fc.constantFrom(80, 8080)
const method = fc.constantFrom('GET', 'POST')
const address = fc.constantFrom('10.0.0.1', '10.1.0.1', '2001:db8::1')

const spiffeId = fc
  .tuple(trustDomain, namespace, name)
  .map(([domain, space, account]) => `spiffe://${domain}/ns/${space}/sa/${account}`)
const idPattern = fc.oneof(
  spiffeId,
  fc.tuple(trustDomain, namespace).map(([domain, space]) => `spiffe://${domain}/ns/${space}/*`),
  trustDomain.map((domain) => `spiffe://${domain}/*`),
  fc.tuple(trustDomain, name).map(([domain, account]) => `spiffe://${domain}/ns/*/sa/${account}`),
)
const principal = fc.oneof(
  fc.tuple(issuer, name).map(([iss, sub]) => `${iss}/${sub}`),
  issuer.map((iss) => `${iss}/*`),
  fc.constant('*'),
)

function some<T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.uniqueArray(item, { minLength: 1, maxLength: 3 })
}

const values = fc.constantFrom({ values: ['a', 'b*'] }, { notValues: ['a'] }, { values: ['*'] }, { matches: ['[ab]+'] })
const claim = fc.tuple(fc.constantFrom('role', 'org.unit'), values).map(([claim, match]) => ({ claim, ...match }))

/** An entry must have a condition: `{}` is refused by admission. */
function entry<T extends object>(model: { readonly [K in keyof T]-?: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> {
  // Some of the many, or else nothing would match anything.
  return fc.subarray(Object.keys(model), { minLength: 1, maxLength: 3 }).chain((chosen) =>
    fc.record(model, { noNullPrototype: true }).map(
      (whole) =>
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- some of the members of T
        Object.fromEntries(Object.entries(whole).filter(([key]) => chosen.includes(key))) as Partial<T>,
    ),
  )
}

const source = entry<SourceMatch>({
  spiffeIds: some(idPattern),
  notSpiffeIds: some(idPattern),
  namespaces: some(namespace),
  notNamespaces: some(namespace),
  serviceAccounts: some(
    fc.oneof(
      name,
      fc.tuple(namespace, name).map((parts) => parts.join('/')),
    ),
  ),
  notServiceAccounts: some(name),
  trustDomains: some(trustDomain),
  notTrustDomains: some(trustDomain),
  ipBlocks: some(fc.constantFrom('10.0.0.0/16', '2001:db8::/32')),
  notIpBlocks: some(fc.constantFrom('10.0.0.0/16')),
  requestPrincipals: some(principal),
  notRequestPrincipals: some(principal),
  claims: some(claim),
  apiKeyOwners: some(name),
  notApiKeyOwners: some(name),
  apiKeyScopes: some(name),
})

const operation = entry<OperationMatch>({
  hosts: some(hostPattern),
  notHosts: some(hostPattern),
  ports: some(port),
  notPorts: some(port),
  methods: some(method),
  notMethods: some(method),
  paths: some(pathPattern),
  notPaths: some(pathPattern),
  grpcMethods: some(grpcMethod),
  notGrpcMethods: some(grpcMethod),
})

const condition: fc.Arbitrary<Condition> = fc.oneof(
  values.map((match) => ({ header: 'x-role', ...match })),
  claim,
  fc.constant({ sni: ['*.example.org'] }),
  fc.constantFrom(...weekdays).map((day) => ({ time: { days: [day], fromMinute: 0, toMinute: 720, zone: 'UTC' } })),
)

export const rule: fc.Arbitrary<AuthorizationRule> = fc
  .record(
    {
      name: fc.constantFrom('first', 'second', 'third', 'fourth'),
      from: some(source),
      to: some(operation),
      when: fc.uniqueArray(condition, { minLength: 1, maxLength: 2 }),
      unknown: fc.constant(true as const),
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  // Few have a `when`, fewer something unknown: they would match too seldom.
  .chain(({ when, unknown, name, ...rest }) =>
    fc.tuple(fc.nat(3), fc.nat(9)).map(([a, b]) => ({
      ...rest,
      ...(name === undefined ? {} : { name }),
      ...(a === 0 && when !== undefined ? { when } : {}),
      ...(b === 0 && unknown === true ? { unknown } : {}),
    })),
  )

const spans = fc.constantFrom(
  {},
  {},
  {},
  { notBeforeMs: 100 },
  { notAfterMs: 200 },
  { notBeforeMs: 100, notAfterMs: 200 },
)

/** A policy of that name. */
export function policyNamed(name: string): fc.Arbitrary<AuthorizationPolicy> {
  const rules = fc.uniqueArray(rule, { maxLength: 10, selector: ({ name = Symbol('none') }) => name })
  const action = fc.constantFrom(...actions, 'ALLOW' as const)
  return fc.tuple(action, fc.nat(4), spans, rules).map(([action, dryRun, span, rules]) => ({
    kind: 'AuthorizationPolicy',
    metadata: { namespace: 'shop', name },
    spec: { workloads: [], action, ...(dryRun === 0 ? { dryRun: true } : {}), ...span, rules },
  }))
}

export const policyNames = ['p0', 'p1', 'p2', 'p3', 'p4'] as const

export const policySet: fc.Arbitrary<readonly AuthorizationPolicy[]> = fc
  .tuple(...policyNames.map(policyNamed))
  .chain((all) => fc.subarray(all))

const token: fc.Arbitrary<TokenIdentity> = fc.record({
  issuer,
  subject: fc.oneof(name, fc.constant(undefined)),
  claims: fc.constantFrom({}, { role: 'a' }, { role: ['b', 'c'] }, { org: { unit: 'ab' } }),
  expiresAtMs: fc.constant(1e15),
})
const user: fc.Arbitrary<UserIdentity> = fc.record({
  tokens: fc.array(token, { maxLength: 2 }),
  apiKey: fc.oneof(
    fc.constant(undefined),
    fc.record({
      id: fc.constant('k'),
      owner: name,
      scopes: fc.uniqueArray(name, { maxLength: 2 }),
      expiresAtMs: fc.constant(1e15),
    }),
  ),
})

const httpRequest: fc.Arbitrary<DecisionRequest> = fc.record(
  {
    principal: fc.oneof(
      { weight: 8, arbitrary: spiffeId.map((id) => ({ kind: 'peer' as const, id: parseSpiffeId(id) })) },
      { weight: 1, arbitrary: fc.constant({ kind: 'anonymous' as const, why: 'plaintext-port' as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: 'peer' as const, id: parseSpiffeId('spiffe://a.org/x') }) },
    ),
    method,
    path: fc.oneof(
      { weight: 8, arbitrary: path },
      { weight: 1, arbitrary: fc.constantFrom('*', '/a.S/M', '/a.S/N', '/b.T/M') },
    ),
    port,
    host,
    address,
    sni: fc.constantFrom('a.example.org', 'other.net'),
    headers: fc.constantFrom([], ['x-role', 'a'], ['x-role', 'a', 'x-role', 'c'], ['content-type', 'application/grpc']),
    user,
    nowMs: fc.constantFrom(50, 150, 250),
  },
  { requiredKeys: ['principal', 'method', 'path', 'port'], noNullPrototype: true },
)

export const anyRequest: fc.Arbitrary<DecisionRequest> = fc.oneof(
  { weight: 4, arbitrary: httpRequest },
  {
    weight: 1,
    arbitrary: httpRequest.map((request) => ({ ...request, ...connection, host: undefined, headers: undefined })),
  },
)
