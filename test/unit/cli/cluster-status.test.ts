import t from 'tap'
import { clusterJson, clusterText } from '../../../src/cli/cluster-status.ts'
import type { ClusterState__Output } from '../../../src/wire/outrider/admin/v1/ClusterState.ts'

const NOW = Date.UTC(2026, 5, 1)

const state: ClusterState__Output = {
  synced: true,
  serverName: 'outrider-control-1',
  knownRevision: 4711,
  objects: 12,
  failures: [
    {
      type: 'pods',
      namespace: 'shop',
      since: { seconds: NOW / 1000 - 90, nanos: 0 },
      code: 'kubernetes-forbidden',
      message: 'list pods in shop: \u001b[31mno\nway',
    },
  ],
  heldBack: [
    {
      ref: { kind: 'Service', namespace: 'shop', name: 'orders' },
      code: 'reference-not-found',
      message: 'spec.workloads[0]: there is no Workload shop/orders',
    },
  ],
  heldBackTotal: 103,
}

t.test('a line for each thing that is not as it should be', async (t) => {
  const lines = clusterText(state, NOW)
  t.equal(lines.length, 4)
  t.equal(lines[0], 'store kubernetes, server outrider-control-1, revision 4711 known, 12 objects')
  t.match(lines[1], /^pods in shop: nothing heard for 90s: list pods in shop: .*\(kubernetes-forbidden\)$/)
  t.notMatch(lines[1], /[\u0000-\u001f]/, 'what a server says moves no cursor')
  t.equal(
    lines[2],
    'held back: Service shop/orders: spec.workloads[0]: there is no Workload shop/orders (reference-not-found)',
  )
  t.equal(lines[3], 'held back: 102 more')
  t.match(clusterText({ ...state, synced: false }, NOW)[0], /not in step yet$/)
})

t.test('for programs', async (t) => {
  t.match(clusterJson(state), {
    knownRevision: 4711,
    failures: [{ type: 'pods', since: '2026-05-31T23:58:30.000Z' }],
    heldBack: [{ kind: 'Service', namespace: 'shop', name: 'orders', code: 'reference-not-found' }],
  })
})
