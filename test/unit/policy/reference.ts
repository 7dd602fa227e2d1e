import * as fc from 'fast-check'
import { namespaceOf, parseSpiffeId, type SpiffeId, trustDomainOf } from '../../../src/identity/spiffe-id.ts'
import type { AnonymousReason, DecisionRequest } from '../../../src/policy/decision.ts'
import type {
  AuthorizationPolicy,
  AuthorizationRule,
  OperationMatch,
  ResolvedWorkload,
  SourceMatch,
} from '../../../src/policy/model.ts'

export const workload: ResolvedWorkload = {
  kind: 'Workload',
  metadata: { namespace: 'shop', name: 'web' },
  spec: { spiffeId: parseSpiffeId('spiffe://a.org/ns/shop/sa/web') },
}

export function policyOf(
  action: 'ALLOW' | 'DENY',
  rules: readonly AuthorizationRule[],
  name = 'policy',
): AuthorizationPolicy {
  return { kind: 'AuthorizationPolicy', metadata: { namespace: 'shop', name }, spec: { workloads: [], action, rules } }
}

export function requestOf(part: Partial<DecisionRequest> & { readonly id?: string }): DecisionRequest {
  const { id = 'spiffe://a.org/ns/shop/sa/api', ...rest } = part
  const principal = { kind: 'peer', id: parseSpiffeId(id) } as const
  return { principal, method: 'GET', path: '/', port: 8080, ...rest }
}

/** The part of a request that a TCP connection has not. */
export const connection = { method: undefined, path: undefined } as const

/** The meaning of policies, rule by rule and without any index: what the compiled form must agree with. */
export function permits(policies: readonly AuthorizationPolicy[], request: DecisionRequest): boolean {
  const some = (action: 'ALLOW' | 'DENY'): boolean =>
    policies.some(({ spec }) => spec.action === action && spec.rules.some((rule) => ruleMatches(rule, action, request)))
  return !some('DENY') && some('ALLOW')
}

export function ruleMatches(
  { from, to }: AuthorizationRule,
  action: 'ALLOW' | 'DENY',
  request: DecisionRequest,
): boolean {
  const { principal } = request
  return (
    (from?.some((source) => principal.kind === 'peer' && sourceMatches(source, principal.id)) ?? true) &&
    (to?.some((operation) => operationMatches(operation, action, request)) ?? true)
  )
}

function sourceMatches({ spiffeIds, namespaces, trustDomains }: SourceMatch, id: SpiffeId): boolean {
  const domains = trustDomains ?? (namespaces === undefined ? undefined : ['a.org'])
  return (
    (spiffeIds?.some((text) => (text.endsWith('*') ? id.startsWith(text.slice(0, -1)) : id === text)) ?? true) &&
    (namespaces?.includes(namespaceOf(id) ?? '') ?? true) &&
    (domains?.includes(trustDomainOf(id)) ?? true)
  )
}

function operationMatches(
  { methods, paths, ports }: OperationMatch,
  action: 'ALLOW' | 'DENY',
  { method, path, port }: DecisionRequest,
): boolean {
  /** Of a condition on what a TCP connection has not. */
  const absent = action === 'DENY'
  return (
    (methods === undefined || (method === undefined ? absent : methods.includes(method))) &&
    (ports?.includes(port) ?? true) &&
    (paths === undefined || (path === undefined ? absent : paths.some((text) => pathExpression(text).test(path))))
  )
}

function quoted(literal: string): string {
  return literal.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
}

/** The meaning of a path pattern as a regular expression. */
export function pathExpression(text: string): RegExp {
  if (text.endsWith('*') && !text.endsWith('}')) return new RegExp(`^${quoted(text.slice(0, -1))}`)
  const segments = text.slice(1).split('/')
  const part = (segment: string): string =>
    segment === '{*}' ? '/[^/]+' : segment === '{**}' ? '(?:/[^/]*)*' : `/${quoted(segment)}`
  const expression = segments.map(part).join('')
  return new RegExp(`^(?=/)${expression}$`)
}

// Few and short names, so that what is generated often meets what it was not generated for.
const name = fc.constantFrom('a', 'b', 'ab')
const segment = fc.oneof({ weight: 3, arbitrary: name }, { weight: 2, arbitrary: fc.constant('{*}') })

export const pathPattern: fc.Arbitrary<string> = fc.oneof(
  fc.array(name, { maxLength: 3 }).map((parts) => `/${parts.join('/')}`),
  fc.array(name, { maxLength: 3 }).map((parts) => `/${parts.join('/')}*`),
  fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}/*`),
  fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`),
  fc
    .tuple(fc.array(segment, { maxLength: 3 }), fc.array(name, { maxLength: 2 }), fc.boolean())
    .map(([before, after, slash]) => `/${[...before, '{**}', ...after].join('/')}${slash ? '/' : ''}`),
  fc.constant('*'),
)

export const path: fc.Arbitrary<string> = fc
  .tuple(fc.array(name, { maxLength: 5 }), fc.boolean())
  .map(([parts, slash]) => `/${parts.join('/')}${slash && parts.length > 0 ? '/' : ''}`)

const method = fc.constantFrom('GET', 'POST', 'CUSTOM')
const port = fc.constantFrom(80, 8080)
const namespace = fc.constantFrom('shop', 'bank')
const trustDomain = fc.constantFrom('a.org', 'b.org')
const spiffeId = fc
  .tuple(trustDomain, namespace, name)
  .map(([domain, space, account]) => `spiffe://${domain}/ns/${space}/sa/${account}`)
const idPattern = fc.oneof(
  spiffeId,
  fc.tuple(trustDomain, namespace).map(([domain, space]) => `spiffe://${domain}/ns/${space}/*`),
  trustDomain.map((domain) => `spiffe://${domain}/*`),
)

function some<T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.array(item, { minLength: 1, maxLength: 3 })
}

/** A match must have a condition: `{}` is refused by admission. */
function hasCondition(entry: object): boolean {
  return Object.keys(entry).length > 0
}

const source = fc
  .record(
    { spiffeIds: some(idPattern), namespaces: some(namespace), trustDomains: some(trustDomain) },
    { requiredKeys: [], noNullPrototype: true },
  )
  .filter(hasCondition)
const operation = fc
  .record(
    { methods: some(method), paths: some(pathPattern), ports: some(port) },
    { requiredKeys: [], noNullPrototype: true },
  )
  .filter(hasCondition)
const rule = fc.record({ from: some(source), to: some(operation) }, { requiredKeys: [], noNullPrototype: true })

export const policies: fc.Arbitrary<AuthorizationPolicy[]> = fc
  .array(
    fc.tuple(fc.constantFrom('ALLOW' as const, 'ALLOW' as const, 'DENY' as const), fc.array(rule, { maxLength: 4 })),
    {
      maxLength: 5,
    },
  )
  .map((list) => list.map(([action, rules], index) => policyOf(action, rules, `p${index}`)))

const anonymous = fc
  .constantFrom<AnonymousReason>('plaintext-port', 'plaintext-permissive')
  .map((why) => ({ kind: 'anonymous' as const, why }))

const httpRequest: fc.Arbitrary<DecisionRequest> = fc.record({
  principal: fc.oneof(
    { weight: 9, arbitrary: spiffeId.map((id) => ({ kind: 'peer' as const, id: parseSpiffeId(id) })) },
    { weight: 1, arbitrary: anonymous },
    { weight: 1, arbitrary: fc.constant({ kind: 'peer' as const, id: parseSpiffeId('spiffe://a.org/x') }) },
  ),
  method,
  path: fc.oneof({ weight: 9, arbitrary: path }, { weight: 1, arbitrary: fc.constantFrom('*', '') }),
  port,
})

export const request: fc.Arbitrary<DecisionRequest> = fc.oneof(
  { weight: 3, arbitrary: httpRequest },
  { weight: 1, arbitrary: httpRequest.map((request) => ({ ...request, ...connection })) },
)
