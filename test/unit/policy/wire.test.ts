import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { appProtocols } from '../../../src/lib/app-protocol.ts'
import { packageRoot } from '../../../src/lib/package-root.ts'
import type { RateLimit, ResolvedResource, ResolvedService } from '../../../src/policy/model.ts'
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

t.test('what is sent arrives', async (t) => {
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
