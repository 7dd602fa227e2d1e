import type { CompiledPolicy } from '../../policy/compile.ts'
import { decide } from '../../policy/decide.ts'
import { type DecisionRequest, noUser, type Permit, type UserIdentity } from '../../policy/decision.ts'
import { Grant } from '../grants.ts'
import type { RequestMeter } from '../meter.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Request } from '../request.ts'
import { askedOf } from './asked.ts'
import type { Authenticated } from './authenticate.ts'
import type { InboundConnection } from './connection.ts'

/** Asks the policy of this moment. Only its permit opens the way to `forward`. A TCP connection has no method and no path. */
export function authorize(authenticated: Authenticated, connection: InboundConnection): Permit | Refusal {
  const { policy, grants } = connection.runtime
  const { meter } = connection
  const { request } = authenticated.received
  const asked = askedOf(authenticated, connection)
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
    super(endOf(asked.user))
    this.#asked = asked
    this.#request = request
    this.#meter = meter
  }

  refusedBy(policy: CompiledPolicy, nowMs: number): Refusal | undefined {
    if (nowMs >= this.endsAtMs)
      return refuse('permission-withdrawn', { detail: 'a token or API key of it has expired' })
    const decision = decide(policy, { ...this.#asked, nowMs })
    if (decision.kind === 'permit') return undefined
    const { code, rule, nearest } = decision
    return refuse('permission-withdrawn', { rule, nearest, detail: code })
  }

  withdraw(refusal: Refusal): void {
    this.#meter.denied(refusal.rule?.policy)
    this.#request.withdraw(refusal)
  }
}

/** Wall-clock time from which one of the credentials that the request was decided with is believed no more. */
function endOf(user: UserIdentity = noUser): number {
  if (user === noUser) return Number.POSITIVE_INFINITY
  const ends = user.tokens.map(({ expiresAtMs }) => expiresAtMs)
  return Math.min(...ends, user.apiKey?.expiresAtMs ?? Number.POSITIVE_INFINITY)
}
