import type { CapturePlan } from '../../../src/capture/plan.ts'
import { parsePlan, type PlanTexts } from '../../../src/capture/plan.ts'

export const texts: PlanTexts = {
  mode: 'redirect',
  families: ['ipv4', 'ipv6'],
  inboundPort: '15006',
  outboundPort: '15001',
  uid: '15400',
  gid: '15400',
  inboundPorts: '',
  excludeInboundPorts: '15020,22',
  excludeOutboundPorts: '53',
  excludeOutboundRanges: '10.0.0.0/8,2001:db8::/32,192.0.2.7',
  excludeInterfaces: 'cni0',
}

export function plan(changes: Partial<PlanTexts> = {}): CapturePlan {
  return parsePlan({ ...texts, ...changes })
}
