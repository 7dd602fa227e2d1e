import { changeHeaders } from '../../http/header-changes.ts'
import type { Headers } from '../../http/headers.ts'
import { unreachable } from '../../lib/unreachable.ts'
import { type CompiledExternal, concerned } from '../../policy/external.ts'
import type { Answer, RequestChanges } from '../external/answer.ts'
import { changeQuery } from '../external/query.ts'
import { questionOf, type Subject } from '../external/question.ts'
import type { NoAnswer } from '../external/server.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { askedOf } from './asked.ts'
import type { Authenticated } from './authenticate.ts'
import type { InboundConnection } from './connection.ts'

/** The request as it goes on. */
export interface Consulted {
  readonly kind: 'consulted'
  /** Present when somebody was asked. */
  readonly headers: Headers | undefined
  /** Path and query. */
  readonly target: string
}

/**
 * Asks the external authorization servers that are to be asked about a request that the rules allow, one after the other; each is
 * told what those before it have changed. Synchronous when there is none. `undefined`: the client has left.
 */
export function consult(
  authenticated: Authenticated,
  connection: InboundConnection,
): Consulted | Refusal | Promise<Consulted | Refusal | undefined> {
  const { external } = connection.runtime.policy.current
  const { received } = authenticated
  const unchanged: Consulted = { kind: 'consulted', headers: undefined, target: received.target }
  if (external.length === 0) return unchanged
  const { request } = received
  const servers = concerned(external, askedOf(authenticated, connection))
  if (servers.length === 0) return unchanged
  const headers = request.forwardedHeaders('x-forwarded-client-cert', connection.clientCertificate, received.headers)
  return askAll(servers, { received, headers, target: received.target }, connection)
}

async function askAll(
  servers: readonly CompiledExternal[],
  first: Subject,
  connection: InboundConnection,
): Promise<Consulted | Refusal | undefined> {
  let subject = first
  for (const server of servers) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other: a denial keeps the next one from being asked
    const answer = await askOne(server, subject, connection)
    if (answer === undefined) return undefined
    switch (answer.kind) {
      case 'denied': {
        const { status, headers, body } = answer
        return refuse('external-denied', { detail: server.label, answer: { status, headers, body } })
      }
      case 'none':
        if (server.onFailure === 'deny') return refuse(answer.code, { detail: `${server.label}: ${answer.detail}` })
        connection.runtime.external.of(server).passed()
        break
      case 'allowed':
        if (answer.changes !== undefined) subject = changed(subject, answer.changes)
        break
      default:
        return unreachable(answer)
    }
  }
  return { kind: 'consulted', headers: subject.headers, target: subject.target }
}

function askOne(
  server: CompiledExternal,
  subject: Subject,
  connection: InboundConnection,
): Promise<Answer | NoAnswer | undefined> {
  const { external, policy } = connection.runtime
  const question = questionOf(subject, connection, server.headers)
  const { claimHeaders } = policy.current.authentication
  return external.of(server).ask(question, claimHeaders, subject.received.request.departure())
}

function changed({ received, headers, target }: Subject, changes: RequestChanges): Subject {
  const { request } = received
  if (changes.responseHeaders.length > 0) {
    request.responseChanges = [...request.responseChanges, ...changes.responseHeaders]
  }
  return {
    received,
    headers: changeHeaders(headers, changes.headers, changes.removed),
    // A TCP connection has none.
    target: target === '' ? '' : changeQuery(target, changes.query),
  }
}
