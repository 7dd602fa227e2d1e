import { parseSpiffeId } from '../src/identity/spiffe-id.ts'
import type { DecisionRequest, TokenIdentity } from '../src/policy/decision.ts'
import type { Action, AuthorizationPolicy, AuthorizationRule, ResolvedWorkload } from '../src/policy/model.ts'

/** The most that one policy may have is 512. */
const RULES_PER_POLICY = 500
const ISSUER = 'https://idp.example.org'
const TENANTS = 50

export const workload: ResolvedWorkload = {
  kind: 'Workload',
  metadata: { namespace: 'default', name: 'app' },
  spec: { spiffeId: parseSpiffeId('spiffe://bench.local/ns/default/sa/app') },
}

/** A way to write many rules, and requests that meet them. */
export interface RuleKind {
  readonly name: string
  readonly action: Action
  /** What `index` says is different in each. */
  readonly rule: (index: number) => AuthorizationRule
  /** A request that the rule matches. */
  readonly hit: (index: number) => DecisionRequest
  /** One that no rule matches, as near to this one as it goes. */
  readonly miss: (index: number) => DecisionRequest
}

const id = (index: number): string => `spiffe://bench.local/ns/ns-${index % 100}/sa/caller-${index}`

function request(caller: number, path: string, rest: Partial<DecisionRequest> = {}): DecisionRequest {
  const principal = { kind: 'peer', id: parseSpiffeId(id(caller)) } as const
  return { principal, method: 'GET', path, port: 8080, host: 'app.default', headers: [], ...rest }
}

function withToken(subject: string, claims: TokenIdentity['claims'] = {}): Partial<DecisionRequest> {
  const token: TokenIdentity = { issuer: ISSUER, subject, claims, expiresAtMs: Number.MAX_SAFE_INTEGER }
  return { user: { tokens: [token], apiKey: undefined } }
}

/** By caller, method, port and the path that `pathOf` writes; `ask` is a path that it matches. */
function byPath(
  name: string,
  action: Action,
  pathOf: (index: number) => string,
  ask: (index: number) => string,
): RuleKind {
  return {
    name,
    action,
    rule: (index) => ({
      from: [{ spiffeIds: [id(index)] }],
      to: [{ methods: ['GET'], paths: [pathOf(index)], ports: [8080] }],
    }),
    hit: (index) => request(index, ask(index)),
    miss: (index) => request(index + 1, ask(index)),
  }
}

export const kinds: readonly RuleKind[] = [
  byPath(
    'exact',
    'ALLOW',
    (index) => `/items/${index}`,
    (index) => `/items/${index}`,
  ),
  byPath(
    'template',
    'ALLOW',
    (index) => `/v1/{*}/r${index}/{*}`,
    (index) => `/v1/x/r${index}/y`,
  ),
  byPath(
    'prefix',
    'ALLOW',
    (index) => `/files/f${index}/*`,
    (index) => `/files/f${index}/a/b`,
  ),
  {
    name: 'principals',
    action: 'ALLOW',
    rule: (index) => ({ from: [{ spiffeIds: [id(index)] }], to: [{ paths: ['/shared'] }] }),
    hit: (index) => request(index, '/shared'),
    miss: (index) => request(-index - 1, '/shared'),
  },
  byPath(
    'deny',
    'DENY',
    (index) => `/secret/${index}/*`,
    (index) => `/secret/${index}/x`,
  ),
  {
    name: 'hosts',
    action: 'ALLOW',
    rule: (index) => ({ to: [{ hosts: [`h${index}.example.org`], paths: ['/api/*'] }] }),
    hit: (index) => request(index, '/api/x', { host: `h${index}.example.org` }),
    miss: (index) => request(index, '/api/x', { host: `x${index}.example.org` }),
  },
  {
    name: 'claims',
    action: 'ALLOW',
    rule: (index) => ({
      from: [{ claims: [{ claim: 'org.tenant', values: [`t${index % TENANTS}`] }] }],
      to: [{ paths: [`/tenants/${index}/*`] }],
    }),
    hit: (index) => request(index, `/tenants/${index}/x`, withToken('u', { org: { tenant: `t${index % TENANTS}` } })),
    miss: (index) =>
      request(index, `/tenants/${index}/x`, withToken('u', { org: { tenant: `t${(index + 1) % TENANTS}` } })),
  },
  {
    name: 'users',
    action: 'ALLOW',
    rule: (index) => ({ from: [{ requestPrincipals: [`${ISSUER}/user-${index}`] }], to: [{ paths: ['/me'] }] }),
    hit: (index) => request(index, '/me', withToken(`user-${index}`)),
    miss: (index) => request(index, '/me', withToken(`nobody-${index}`)),
  },
]

/** `count` rules of one kind, in as few policies as it goes; a DENY kind has one rule more that allows everything. */
export function policiesOf({ name, action, rule }: RuleKind, count: number): readonly AuthorizationPolicy[] {
  const starts = Array.from({ length: Math.ceil(count / RULES_PER_POLICY) }, (_, index) => index * RULES_PER_POLICY)
  const policies = starts.map((start) => {
    const length = Math.min(RULES_PER_POLICY, count - start)
    return policyOf(
      `${name}-${start}`,
      action,
      Array.from({ length }, (_, index) => rule(start + index)),
    )
  })
  return action === 'DENY' ? [...policies, policyOf('all', 'ALLOW', [{}])] : policies
}

function policyOf(name: string, action: Action, rules: readonly AuthorizationRule[]): AuthorizationPolicy {
  return {
    kind: 'AuthorizationPolicy',
    metadata: { namespace: 'default', name },
    spec: { workloads: [], action, rules },
  }
}

/** `count` rules of all kinds mixed, `count / 500` policies of each kind in turn. */
export function mixedPolicies(count: number): readonly AuthorizationPolicy[] {
  const each = Math.floor(count / kinds.length)
  return kinds.flatMap((kind) => policiesOf(kind, each))
}
