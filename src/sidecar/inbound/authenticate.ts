import { noUser, type Principal, type UserIdentity } from '../../policy/decision.ts'
import type { AuthenticatedUser } from '../authentication/authenticator.ts'
import type { CredentialContext } from '../authentication/credential.ts'
import type { Refusal } from '../refusal.ts'
import type { InboundConnection } from './connection.ts'
import type { Received } from './receive.ts'

/** Who asks: the workload that calls, and the user for whom it does. */
export interface Authenticated {
  readonly kind: 'authenticated'
  readonly principal: Principal
  readonly user: UserIdentity
  /** Without credentials that the application does not get, with fields made of claims: in this form it is decided on. */
  readonly received: Received
}

/**
 * Who speaks: the verified peer of the connection, or nobody known and why; and the user, by every credential that the request
 * shows. Synchronous unless somebody has to be asked. A TCP connection shows none.
 */
export function authenticate(
  received: Received,
  connection: InboundConnection,
): Authenticated | Refusal | Promise<Authenticated | Refusal> {
  const { principal, runtime } = connection
  const { authentication } = runtime.policy.current
  const { path, target } = received
  if (authentication.empty || path === undefined) return { kind: 'authenticated', principal, user: noUser, received }
  const { head, request } = received
  request.exchange.withheldTrailers = authentication.withheldTrailers
  const context: CredentialContext = {
    authentication,
    method: head.method,
    authority: received.authority,
    path,
    headers: received.headers,
    peer: connection.foundation?.peer,
    remote: connection.remote,
    nowMs: runtime.clock.now(),
    departure: () => request.departure(),
  }
  const answer = runtime.authenticator.authenticate(context, target.slice(path.length))
  return answer instanceof Promise
    ? answer.then((settled) => settle(settled, received, path, principal))
    : settle(answer, received, path, principal)
}

function settle(
  answer: AuthenticatedUser | Refusal,
  received: Received,
  path: string,
  principal: Principal,
): Authenticated | Refusal {
  if (answer.kind === 'refusal') return answer
  const { user, headers, query } = answer
  return { kind: 'authenticated', principal, user, received: { ...received, headers, target: path + query } }
}
