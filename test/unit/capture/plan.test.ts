import t from 'tap'
import { MAX_ENTRIES } from '../../../src/capture/plan.ts'
import { plan } from './plans.ts'

t.test('what is written is what is planned', async (t) => {
  t.same(plan({ inboundPorts: '8080, 9090,8080' }), {
    mode: 'redirect',
    families: ['ipv4', 'ipv6'],
    inboundPort: 15006,
    outboundPort: 15001,
    uid: 15400,
    gid: 15400,
    inboundPorts: [8080, 9090],
    excludeInboundPorts: [15020, 22],
    excludeOutboundPorts: [53],
    excludeOutboundRanges: [
      { family: 4, text: '10.0.0.0/8' },
      { family: 6, text: '2001:db8::/32' },
      { family: 4, text: '192.0.2.7/32' },
    ],
    excludeInterfaces: ['cni0'],
  })
})

t.test('what is wrong is an error with its option', async (t) => {
  const many = Array.from({ length: MAX_ENTRIES + 1 }, (_, index) => String(1000 + index)).join(',')
  const bad: readonly (readonly [changes: Parameters<typeof plan>[0], place: string, why: RegExp])[] = [
    [{ inboundPort: '0' }, '--inbound-port', /no port from 1 to 65535/],
    [{ outboundPort: '65536' }, '--outbound-port', /no port/],
    [{ outboundPort: '15006' }, '--outbound-port', /both 15006/],
    [{ uid: '0' }, '--uid', /other than root/],
    [{ gid: '0' }, '--gid', /other than root/],
    [{ uid: '4294967295' }, '--uid', /other than root/],
    [{ uid: 'proxy' }, '--uid', /no number/],
    [{ inboundPorts: '8080,15006' }, '--inbound-ports', /the sidecar's own port/],
    [{ excludeInboundPorts: '80-90' }, '--exclude-inbound-ports', /no port/],
    [{ excludeOutboundPorts: many }, '--exclude-outbound-ports', /65 entries, at most 64/],
    [{ excludeOutboundRanges: '10.0.0.1/8' }, '--exclude-outbound-ranges', /bits after its prefix/],
    [{ excludeInterfaces: 'eth0+' }, '--exclude-interfaces', /no name of an interface/],
    [{ excludeInterfaces: 'eth0" accept' }, '--exclude-interfaces', /no name/],
    [{ excludeInterfaces: 'sixteen-letters-' }, '--exclude-interfaces', /no name/],
  ]
  for (const [changes, place, message] of bad) {
    t.throws(() => plan(changes), { code: 'capture-plan', place, message }, JSON.stringify(changes).slice(0, 60))
  }
})
