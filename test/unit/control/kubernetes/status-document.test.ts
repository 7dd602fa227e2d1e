import t from 'tap'
import { nextStatus, type Observation, serversIn } from '../../../../src/control/kubernetes/status-document.ts'
import { resourceStatus } from '../../../../src/policy/crd/status.ts'

const NOW = Date.UTC(2026, 5, 1, 12, 0, 0)
const nobody = (): boolean => false

function seen(server: string, more: Partial<Observation> = {}): Observation {
  const counts = { sidecars: 2, applied: 2, refused: 0, refusals: [] }
  return { server, generation: 3, heldBack: undefined, counts, ...more }
}

const held = { code: 'reference-not-found', message: 'spec.workloads[0]: there is no Workload a/b' }

t.test('what is written is what the definitions allow', async (t) => {
  const refusals = Array.from({ length: 20 }, (_, index) => ({ sidecar: `s-${index}`, message: 'x'.repeat(5000) }))
  const counts = { sidecars: 20, applied: 0, refused: 20, refusals }
  for (const observation of [seen('one'), seen('one', { heldBack: held }), seen('one', { counts })]) {
    const violations: unknown[] = []
    const status = nextStatus(undefined, observation, nobody, NOW)
    resourceStatus(status, 'status', (violation) => void violations.push(violation))
    t.same(violations, [])
  }
})

t.test('servers take turns without an end only if they have something new to say', async (t) => {
  const first = nextStatus(undefined, seen('one'), nobody, NOW)
  const second = nextStatus(
    first,
    seen('two', { counts: { sidecars: 3, applied: 1, refused: 0, refusals: [] } }),
    nobody,
    NOW + 1000,
  )
  t.match(second, {
    observedGeneration: 3,
    sidecars: 5,
    applied: 3,
    servers: [{ name: 'one' }, { name: 'two' }],
    conditions: [
      { type: 'Accepted', status: 'True' },
      { type: 'Applied', status: 'False', reason: 'Pending' },
    ],
  })
  t.equal(nextStatus(second, seen('one'), nobody, NOW + 2000), undefined)
  t.equal(
    nextStatus(
      second,
      seen('two', { counts: { sidecars: 3, applied: 1, refused: 0, refusals: [] } }),
      nobody,
      NOW + 3000,
    ),
    undefined,
  )
})

t.test(
  'one that sees a fault says so, and the others let it stand until it is gone or has changed its mind',
  async (t) => {
    const bad = nextStatus(undefined, seen('one', { heldBack: held }), nobody, NOW)
    t.match(bad, {
      conditions: [{ type: 'Accepted', status: 'False', message: /\(seen by one\)$/ }, { status: 'Unknown' }],
    })
    const other = nextStatus(bad, seen('two'), nobody, NOW + 1000)
    t.match(other, { conditions: [{ status: 'False', message: /\(seen by one\)$/ }, {}] })
    t.equal(nextStatus(other, seen('two'), nobody, NOW + 2000), undefined)
    t.match(nextStatus(other, seen('one'), nobody, NOW + 3000), {
      conditions: [{ status: 'True', lastTransitionTime: '2026-06-01T12:00:03Z' }, {}],
    })
    t.match(
      nextStatus(other, seen('two'), (server) => server === 'one', NOW),
      { conditions: [{ status: 'True' }, {}] },
    )
    t.match(nextStatus(other, seen('two', { generation: 4 }), nobody, NOW), { conditions: [{ status: 'True' }, {}] })
  },
)

t.test('the time is that of the last change of the status, not of the message', async (t) => {
  const first = nextStatus(undefined, seen('one', { heldBack: held }), nobody, NOW)
  const second = nextStatus(
    first,
    seen('one', { heldBack: { ...held, message: 'another' }, generation: 4 }),
    nobody,
    NOW + 60_000,
  )
  t.match(second, {
    conditions: [{ message: /another/, observedGeneration: 4, lastTransitionTime: '2026-06-01T12:00:00Z' }, {}],
  })
})

t.test('what others keep in the status stays, and rubbish is no reason to fail', async (t) => {
  const foreign = {
    type: 'Reviewed',
    status: 'True',
    reason: 'Ok',
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  }
  t.match(nextStatus({ conditions: [foreign] }, seen('one'), nobody, NOW), {
    conditions: [{ type: 'Accepted' }, { type: 'Applied' }, foreign],
  })
  for (const rubbish of [null, 'text', [], { servers: 'x', conditions: [null, 1], sidecars: 'many' }])
    t.match(nextStatus(rubbish, seen('one'), nobody, NOW), { sidecars: 2, servers: [{ name: 'one' }] })
})

t.test('there is an end to what is kept: 64 servers', async (t) => {
  const servers = Array.from({ length: 80 }, (_, index) => ({
    name: `s-${100 + index}`,
    sidecars: 1,
    applied: 1,
    refused: 0,
  }))
  const next = nextStatus({ servers }, seen('a'), nobody, NOW)
  t.equal(serversIn(next).length, 64)
  t.ok(serversIn(next).includes('a'))
  t.same(serversIn(nextStatus({ servers }, seen('a'), (server) => server !== 's-100', NOW)), ['a', 's-100'])
})
