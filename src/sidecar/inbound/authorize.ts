import { decide } from '../../policy/decide.ts'
import type { DecisionRequest, Permit, Principal } from '../../policy/decision.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Tunnel } from '../tunnels.ts'
import type { InboundConnection } from './connection.ts'
import type { Received } from './receive.ts'

/** Asks the policy of this moment. Only its permit opens the way to `forward`. A TCP connection has no method and no path. */
export function authorize(principal: Principal, received: Received, connection: InboundConnection): Permit | Refusal {
  const { policy } = connection.runtime
  const { meter } = connection
  const { request, head, path, port } = received
  const asked: DecisionRequest = { principal, method: path === undefined ? undefined : head.method, path, port }
  request.asked = asked
  const decision = decide(policy.current, asked)
  if (decision.kind === 'permit') {
    request.rule = decision.rule
    meter.allowed(decision.rule.policy)
    if (path === undefined || head.upgrade !== undefined) askAgainLater(asked, received, connection)
    return decision
  }
  const { code, rule, nearest, detail } = decision
  meter.denied(rule?.policy)
  return refuse(code, { rule, nearest, detail })
}

/** A tunnel outlives its decision: each new policy is asked about it, and the one in force when it opens is the first. */
function askAgainLater(asked: DecisionRequest, { request }: Received, connection: InboundConnection): void {
  const { meter, inbound, runtime } = connection
  const { tunnels } = inbound
  const decidedBy = runtime.policy.current
  const tunnel: Tunnel = {
    refusedBy: (policy) => {
      const decision = decide(policy, asked)
      if (decision.kind === 'permit') return undefined
      const { code, rule, nearest } = decision
      return refuse('permission-withdrawn', { rule, nearest, detail: code })
    },
    cut: (refusal) => {
      meter.denied(refusal.rule?.policy)
      request.withdraw(refusal)
    },
  }
  request.onTunnel = () => {
    const { current } = runtime.policy
    const refusal = current === decidedBy ? undefined : tunnel.refusedBy(current)
    if (refusal === undefined) tunnels.add(tunnel)
    else tunnel.cut(refusal)
  }
  request.onOver = () => tunnels.delete(tunnel)
}
