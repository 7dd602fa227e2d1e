import { decide } from '../../policy/decide.ts'
import type { Permit, Principal } from '../../policy/decision.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { InboundConnection } from './connection.ts'
import type { Received } from './receive.ts'

/** Asks the policy of this moment. Only its permit opens the way to `forward`. */
export function authorize(principal: Principal, received: Received, connection: InboundConnection): Permit | Refusal {
  const { policy, metrics } = connection.runtime
  const { request, head, path, port } = received
  const decision = decide(policy.current, { principal, method: head.method, path, port })
  if (decision.kind === 'permit') {
    request.rule = decision.rule
    const { namespace, name } = decision.rule.policy
    metrics.authorizationDecisions.with({ decision: 'allow', policy: `${namespace}/${name}` }).inc()
    return decision
  }
  const { code, rule, nearest, detail } = decision
  const decider = rule === undefined ? 'none' : `${rule.policy.namespace}/${rule.policy.name}`
  metrics.authorizationDecisions.with({ decision: 'deny', policy: decider }).inc()
  return refuse(code, { rule, nearest, detail })
}
