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

/** A tunnel outlives its decision: each new policy is asked about it. */
function askAgainLater(asked: DecisionRequest, { request }: Received, { inbound }: InboundConnection): void {
  const { tunnels } = inbound
  const tunnel: Tunnel = {
    allowedBy: (policy) => decide(policy, asked).kind === 'permit',
    cut: (fault) => request.exchange.abort(fault),
  }
  request.onTunnel = () => tunnels.add(tunnel)
  request.onOver = () => tunnels.delete(tunnel)
}
