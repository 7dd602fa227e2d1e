import type { CompiledPolicy } from '../../policy/compile.ts'
import { decide } from '../../policy/decide.ts'
import type { DecisionRequest, Permit, Principal } from '../../policy/decision.ts'
import { Grant } from '../grants.ts'
import type { RequestMeter } from '../meter.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Request } from '../request.ts'
import type { InboundConnection } from './connection.ts'
import type { Received } from './receive.ts'

/** Asks the policy of this moment. Only its permit opens the way to `forward`. A TCP connection has no method and no path. */
export function authorize(principal: Principal, received: Received, connection: InboundConnection): Permit | Refusal {
  const { policy, grants } = connection.runtime
  const { meter } = connection
  const { request, head, path, port } = received
  const asked: DecisionRequest = { principal, method: path === undefined ? undefined : head.method, path, port }
  request.asked = asked
  const decision = decide(policy.current, asked)
  if (decision.kind === 'permit') {
    request.rule = decision.rule
    meter.allowed(decision.rule.policy)
    request.grant = new RequestGrant(asked, request, meter)
    grants.add(request.grant)
    return decision
  }
  const { code, rule, nearest, detail } = decision
  meter.denied(rule?.policy)
  return refuse(code, { rule, nearest, detail })
}

/** A request may outlive the policy that it was decided with. */
class RequestGrant extends Grant {
  readonly #asked: DecisionRequest
  readonly #request: Request
  readonly #meter: RequestMeter

  constructor(asked: DecisionRequest, request: Request, meter: RequestMeter) {
    super()
    this.#asked = asked
    this.#request = request
    this.#meter = meter
  }

  refusedBy(policy: CompiledPolicy): Refusal | undefined {
    const decision = decide(policy, this.#asked)
    if (decision.kind === 'permit') return undefined
    const { code, rule, nearest } = decision
    return refuse('permission-withdrawn', { rule, nearest, detail: code })
  }

  withdraw(refusal: Refusal): void {
    this.#meter.denied(refusal.rule?.policy)
    this.#request.withdraw(refusal)
  }
}
