import { decide } from '../../policy/decide.ts'
import type { Permit, Principal } from '../../policy/decision.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { InboundConnection } from './connection.ts'
import type { Received } from './receive.ts'

/** Asks the policy of this moment. Only its permit opens the way to `forward`. */
export function authorize(principal: Principal, received: Received, connection: InboundConnection): Permit | Refusal {
  const { policy } = connection.runtime
  const { meter } = connection
  const { request, head, path, port } = received
  const decision = decide(policy.current, { principal, method: head.method, path, port })
  if (decision.kind === 'permit') {
    request.rule = decision.rule
    meter.allowed(decision.rule.policy)
    return decision
  }
  const { code, rule, nearest, detail } = decision
  meter.denied(rule?.policy)
  return refuse(code, { rule, nearest, detail })
}
