import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { appProtocols } from '../../../src/lib/app-protocol.ts'
import { packageRoot } from '../../../src/lib/package-root.ts'
import { apiVersion, type RateLimit, type ResolvedResource, type ResolvedService } from '../../../src/policy/model.ts'
import { validateResolved } from '../../../src/policy/validate.ts'
import { fromWire, toWire } from '../../../src/policy/wire.ts'
import type { Resource, Resource__Output } from '../../../src/wire/outrider/policy/v1/Resource.ts'
import { policies, policyOf, workload } from './reference.ts'

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the loader does not know the generated types
const definition = loadSync('policy/v1/policy.proto', {
  includeDirs: [join(packageRoot, 'proto')],
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
})['outrider.policy.v1.Resource'] as MessageTypeDefinition<Resource, Resource__Output>

/** Through bytes and back, as between the processes. */
function transport(message: Resource): Resource__Output {
  return definition.deserialize(definition.serialize(message))
}

const service: ResolvedService = {
  kind: 'Service',
  metadata: { namespace: 'shop', name: 'api' },
  spec: {
    hosts: ['api.example.org'],
    ports: appProtocols.map((protocol, index) => ({ port: 80 + index, targetPort: 8080, protocol })),
    identities: [parseSpiffeId('spiffe://a.org/ns/shop/sa/api')],
    endpoints: [{ address: '::1', port: 15406, appPort: 8080 }],
  },
}
const rateLimit: RateLimit = {
  kind: 'RateLimit',
  metadata: { namespace: 'shop', name: 'limits' },
  spec: {
    workloads: ['web'],
    limits: [
      { name: 'a', key: 'identity', requests: 100, perMs: 1500, burst: 10, to: [{ methods: ['GET'], ports: [80] }] },
      { name: 'b', key: 'all', requests: 1, perMs: 31 * 86_400_000, burst: 1 },
    ],
  },
}

function same(t: Test, resource: ResolvedResource): void {
  t.strictSame(fromWire(transport(toWire(resource, 7))), { ok: true, resource, revision: 7 })
}

const validated = (kind: string, spec: object): ResolvedResource => {
  const result = validateResolved({ apiVersion, kind, metadata: { name: 'all', namespace: 'shop' }, spec })
  if (!result.ok) throw new Error(JSON.stringify(result.violations))
  return result.resource
}

const lists = [
  'spiffeIds',
  'namespaces',
  'trustDomains',
  'serviceAccounts',
  'ipBlocks',
  'requestPrincipals',
  'apiKeyOwners',
]
const samples: Readonly<Record<string, readonly (string | number)[]>> = {
  spiffeIds: ['spiffe://a.org/ns/shop/sa/api'],
  namespaces: ['shop', 'web'],
  trustDomains: ['a.org'],
  serviceAccounts: ['api', 'shop/web'],
  ipBlocks: ['10.0.0.0/8', '::1'],
  requestPrincipals: ['https://id.example/alice', '*'],
  apiKeyOwners: ['billing'],
  hosts: ['api.example.org', '*.example.org'],
  ports: [80],
  methods: ['GET'],
  paths: ['/a', '/b/{*}/{**}'],
  grpcMethods: ['shop.Cart/Add', 'shop.Cart/*'],
}
const bothWays = (names: readonly string[]): object =>
  Object.fromEntries(
    names.flatMap((name) => [
      [name, samples[name]],
      [`not${name[0]!.toUpperCase()}${name.slice(1)}`, samples[name]],
    ]),
  )
const everyRule = {
  name: 'every',
  from: [
    {
      ...bothWays(lists),
      apiKeyScopes: ['read'],
      claims: [{ claim: 'realm.roles', values: ['admin'], notValues: ['guest*'], matches: ['a+'] }],
    },
  ],
  to: [bothWays(['hosts', 'ports', 'methods', 'paths', 'grpcMethods']), { ports: [81] }],
  when: [
    { header: 'x-tenant', values: ['*'] },
    { claim: 'sub', notValues: ['bob'] },
    { sni: ['api.example.org'] },
    { time: { days: ['mon', 'sun'], from: '00:00', to: '18:30', zone: 'Europe/Berlin' } },
    { time: { from: '22:00', to: '24:00' } },
    { cel: 'true' },
  ],
}
const everyPolicy = (action: string, rules: readonly object[] = [everyRule]): ResolvedResource =>
  validated('AuthorizationPolicy', {
    workloads: ['web'],
    action,
    dryRun: true,
    notBefore: '2026-11-30T08:00:00Z',
    notAfter: '2026-11-30T18:00:00.250+01:00',
    reason: 'an outage',
    approver: 'ann',
    rules,
  })
const tokens = { from: [{ header: 'x-token', prefix: 'T ' }, { cookie: 'c' }, { query: 'q' }], forward: true }
const authentication = validated('RequestAuthentication', {
  workloads: ['web'],
  jwt: [
    {
      ...tokens,
      issuer: 'https://id.example',
      audiences: ['web'],
      algorithms: ['ES256'],
      jwks: { keys: [] },
      clockSkew: '0s',
      claimsToHeaders: [{ claim: 'sub', header: 'x-user' }],
      binding: 'dpop',
    },
    { issuer: 'https://other.example', audiences: ['a', 'b'], jwksUri: 'https://other.example/keys', staleFor: '0s' },
  ],
  introspection: [
    {
      endpoint: 'https://id.example/introspect',
      issuer: 'https://id.example',
      clientId: 'web',
      clientSecret: 'web.secret',
      binding: 'any',
    },
  ],
  apiKeys: {},
})
const apiKey = validated('ApiKey', {
  owner: 'billing',
  scopes: ['read'],
  secrets: [
    { id: 'abcdefgh', salt: 'A'.repeat(22), hash: '0'.repeat(64), createdAt: '2026-11-30T08:00:00Z' },
    {
      id: 'abcdefgi',
      salt: 'A'.repeat(22),
      hash: '1'.repeat(64),
      createdAt: '2026-11-30T08:00:00Z',
      notAfter: '2027-01-01T00:00:00Z',
    },
  ],
})
const external = { address: '127.0.0.1:9191', to: [{ paths: ['/a'] }] }

t.test('what is sent arrives', async (t) => {
  for (const action of ['ALLOW', 'DENY', 'AUDIT']) same(t, everyPolicy(action))
  same(t, authentication)
  same(t, apiKey)
  same(t, validated('ExternalAuthorization', external))
  same(t, validated('ExternalAuthorization', { ...external, headers: [], onFailure: 'allow', timeout: '1s' }))
  same(t, validated('ExternalAuthorization', { ...external, headers: ['x-a'], spiffeId: 'spiffe://a.org/authz' }))
  same(t, service)
  same(t, workload)
  same(t, rateLimit)
  same(t, policyOf('DENY', []))
})

t.test('every policy arrives as it was', async () => {
  fc.assert(
    fc.property(policies, (list) => {
      for (const policy of list) {
        const result = fromWire(transport(toWire(policy, 1)))
        if (!result.ok || !isDeepStrictEqual(result.resource, policy)) throw new Error('changed')
      }
    }),
    { numRuns: 200 },
  )
})

function read(message: Resource): unknown {
  return fromWire(transport(message))
}

t.test('what is malformed is unreadable, and says what it might have been', async (t) => {
  const name = { kind: 'AuthorizationPolicy', namespace: 'shop', name: 'p' }
  const metadata = { namespace: 'shop', name: 'p' }
  t.match(read({ name, authorizationPolicy: { rules: [{}] } }), {
    ok: false,
    violations: [{ field: 'spec.action', code: 'field-missing' }],
    unreadable: { kind: 'AuthorizationPolicy', metadata, action: undefined },
  })
  t.match(read({ name, authorizationPolicy: { action: 'ACTION_ALLOW', rules: [{ from: [{}] }] } }), {
    ok: false,
    violations: [{ field: 'spec.rules[0].from[0]', code: 'entry-empty' }],
    unreadable: { kind: 'AuthorizationPolicy', metadata, action: 'ALLOW' },
  })
  t.match(read({ name, workload: { spiffeId: workload.spec.spiffeId } }), {
    ok: false,
    violations: [{ field: 'spec', code: 'field-missing' }],
  })
  t.match(read({ name: { ...name, kind: 'ThreatFilter' } }), {
    ok: false,
    violations: [{ field: 'kind', code: 'value-unknown' }],
    unreadable: { kind: 'ThreatFilter', metadata },
  })
  t.match(read({ name: { ...name, kind: 'constructor' } }), { ok: false, violations: [{ field: 'kind' }] })
  t.match(read({}), { ok: false, violations: [{ field: 'kind', code: 'value-unknown' }] })
  const api = { ...name, kind: 'Service' }
  const port = { port: 80, targetPort: 8080 }
  t.match(read({ name: api, service: { ports: [port] } }), {
    violations: [{ field: 'spec.ports[0].protocol', code: 'field-missing' }],
    unreadable: { kind: 'Service', metadata },
  })
  t.match(
    read({
      name: api,
      service: {
        ports: [
          {
            ...port, // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a newer control server
            protocol: 99 as never,
          },
        ],
      },
    }),
    {
      violations: [
        { field: 'spec.ports[0].protocol', code: 'value-unknown', message: /^is 99; must be auto or http1/ },
      ],
      unreadable: { kind: 'Service', metadata },
    },
  )
  const limit = { name: 'a', key: 'KEY_ALL', requests: 1, burst: 1 } as const
  const limits = { ...name, kind: 'RateLimit' }
  t.match(read({ name: limits, rateLimit: { limits: [limit] } }), {
    violations: [{ field: 'spec.limits[0].per', code: 'field-missing' }],
  })
  t.match(read({ name: limits, rateLimit: { limits: [{ ...limit, per: { seconds: -1 } }] } }), {
    violations: [{ field: 'spec.limits[0].per', code: 'duration-malformed' }],
  })
  t.match(read({ name: limits, rateLimit: { limits: [{ ...limit, per: { nanos: 1 } }] } }), {
    violations: [{ field: 'spec.limits[0].per', code: 'duration-malformed' }],
  })
})

t.test('a condition that this version does not know is known to be there', async (t) => {
  const told = (change: (message: Resource) => void, action = 'DENY'): ReturnType<typeof fromWire> => {
    const message = toWire(everyPolicy(action, [everyRule, { from: [{ namespaces: ['shop'] }] }]), 7)
    change(message)
    return fromWire(transport(message))
  }
  const rulesOf = (change: (message: Resource) => void): readonly object[] => {
    const result = told(change)
    if (!result.ok || result.resource.kind !== 'AuthorizationPolicy') throw new Error(JSON.stringify(result))
    return result.resource.spec.rules
  }
  const marks = (change: (message: Resource) => void): readonly boolean[] =>
    rulesOf(change).map((rule) => 'unknown' in rule)
  const rule = (message: Resource, index: number) => message.authorizationPolicy!.rules![index]!
  t.same(
    marks(() => {}),
    [false, false],
  )
  t.same(
    marks((message) => {
      delete rule(message, 0).to![0]!.notHosts
    }),
    [true, false],
    'a list',
  )
  t.same(
    marks((message) => {
      rule(message, 0).when!.push({})
    }),
    [true, false],
    'a kind of condition',
  )
  const withoutSource = (message: Resource): void => {
    rule(message, 1).from = [{}]
  }
  t.same(marks(withoutSource), [false, true])
  t.notOk('from' in rulesOf(withoutSource)[1]!, 'a source that cannot be read may be anybody')
  t.match(
    told((message) => {
      message.authorizationPolicy!.approver = ''
    }),
    { ok: false, unreadable: { kind: 'AuthorizationPolicy', action: 'DENY' } },
    'a field of the policy itself',
  )
  const message = toWire(authentication, 7)
  message.requestAuthentication!.jwt![0]!.audiences = []
  t.match(fromWire(transport(message)), { ok: false, unreadable: { kind: 'RequestAuthentication' } })
})
