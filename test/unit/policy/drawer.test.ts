import t from 'tap'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { compilePolicy } from '../../../src/policy/compile.ts'
import { decide } from '../../../src/policy/decide.ts'
import type { DecisionRequest } from '../../../src/policy/decision.ts'
import type { AuthorizationRule, SourceMatch } from '../../../src/policy/model.ts'
import { policyOf, requestOf, workload } from './reference.ts'

const PER_KIND = 12

const token = (issuer: string, subject: string): Partial<DecisionRequest> => ({
  user: { tokens: [{ issuer, subject, claims: {}, expiresAtMs: 1e15 }], apiKey: undefined },
})
const caller = (id: string): Partial<DecisionRequest> => ({ principal: { kind: 'peer', id: parseSpiffeId(id) } })
const nobody: Partial<DecisionRequest> = { principal: { kind: 'anonymous', why: 'plaintext-port' } }

/** Ways to say who may call, all for one path, and who then may. */
const kinds: Readonly<Record<string, (n: number) => readonly [SourceMatch, Partial<DecisionRequest>]>> = {
  id: (n) => [{ spiffeIds: [`spiffe://a.org/one/${n}`] }, caller(`spiffe://a.org/one/${n}`)],
  prefix: (n) => [{ spiffeIds: [`spiffe://a.org/below/${n}/*`] }, caller(`spiffe://a.org/below/${n}/x/y`)],
  star: (n) => [{ spiffeIds: [`spiffe://a.org/star/*/${n}`] }, caller(`spiffe://a.org/star/x/${n}`)],
  namespace: (n) => [{ namespaces: [`space-${n}`] }, caller(`spiffe://a.org/ns/space-${n}/sa/x`)],
  account: (n) => [{ serviceAccounts: [`home/account-${n}`] }, caller(`spiffe://a.org/ns/home/sa/account-${n}`)],
  trustDomain: (n) => [{ trustDomains: [`td${n}.org`] }, caller(`spiffe://td${n}.org/x`)],
  principal: (n) => [{ requestPrincipals: [`https://i/user-${n}`] }, { ...nobody, ...token('https://i', `user-${n}`) }],
  issuer: (n) => [
    { requestPrincipals: [`https://issuer-${n}/*`] },
    { ...nobody, ...token(`https://issuer-${n}`, 'x') },
  ],
  owner: (n) => [
    { apiKeyOwners: [`owner-${n}`] },
    { ...nobody, user: { tokens: [], apiKey: { id: 'k', owner: `owner-${n}`, scopes: [], expiresAtMs: 1e15 } } },
  ],
  address: (n) => [{ ipBlocks: [`10.0.${n}.0/24`] }, { ...nobody, address: `10.0.${n}.7` }],
}

t.test('among many rules for one path each caller finds its own, until that is taken away', async (t) => {
  const all = Object.entries(kinds).flatMap(([kind, make]) =>
    Array.from({ length: PER_KIND }, (_, n) => {
      const [source, part] = make(n)
      const name = `${kind.toLowerCase()}-${n}`
      return {
        name,
        rule: { name, from: [source], to: [{ paths: ['/shared'] }] },
        request: requestOf({ path: '/shared', ...part }),
      }
    }),
  )
  const input = (rules: readonly AuthorizationRule[]): Parameters<typeof compilePolicy>[0] => ({
    workload,
    policies: rules.map((rule) => policyOf('ALLOW', [rule], rule.name)),
    limits: [],
    services: [],
  })
  let { policy } = compilePolicy(input(all.map(({ rule }) => rule)))
  const wrong = all.filter(({ name, request }) => decide(policy, request).rule?.rule !== name)
  t.same(wrong, [], 'each finds its own')
  const left = [...all]
  const found: string[] = []
  while (left.length > 0) {
    // From both ends in turn.
    const gone = left.length % 2 === 0 ? left.shift()! : left.pop()!
    policy = compilePolicy(input(left.map(({ rule }) => rule)), policy).policy
    if (decide(policy, gone.request).kind === 'permit') found.push(gone.name)
    const next = left[left.length >> 1]
    if (next !== undefined && decide(policy, next.request).rule?.rule !== next.name) found.push(next.name)
  }
  t.same(found, [], 'what is gone is not found, what is left is')
  t.equal(policy.rules.allow.requests, undefined, 'no empty drawer is left')
  t.equal(policy.rules.allow.connections, undefined)
})

t.test('a rule with more callers than places is found by all of them', async (t) => {
  const spiffeIds = Array.from({ length: 500 }, (_, n) => `spiffe://a.org/wide/${n}`)
  const hosts = Array.from({ length: 20 }, (_, n) => `h${n}.example.org`)
  const rule = {
    from: [{ spiffeIds }],
    to: [{ hosts, ports: [80, 81], paths: Array.from({ length: 30 }, (_, n) => `/p${n}`) }],
  }
  const others = Array.from({ length: 20 }, (_, n) => ({
    from: [{ spiffeIds: [`spiffe://a.org/other/${n}`] }],
    to: [{ paths: ['/p29'] }],
  }))
  const { policy } = compilePolicy({
    workload,
    policies: [policyOf('ALLOW', [...others, rule])],
    limits: [],
    services: [],
  })
  const ask = (id: string, host: string, port: number): string =>
    decide(policy, requestOf({ id, host, port, path: '/p29' })).kind
  t.equal(ask(spiffeIds[499]!, 'h19.example.org', 81), 'permit')
  t.equal(ask(spiffeIds[499]!, 'h20.example.org', 81), 'denial')
  t.equal(ask(spiffeIds[499]!, 'h19.example.org', 82), 'denial')
  t.equal(ask('spiffe://a.org/wide/500', 'h19.example.org', 81), 'denial')
})
