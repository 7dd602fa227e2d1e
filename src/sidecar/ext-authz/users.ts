import type { Headers } from '../../http/headers.ts'
import type { CompiledPolicy } from '../../policy/compile.ts'
import type { DecisionRequest } from '../../policy/decision.ts'
import type { Authenticator } from '../authentication/authenticator.ts'
import type { CredentialContext } from '../authentication/credential.ts'
import { parameterName, queryPieces } from '../authentication/pieces.ts'
import type { Refusal } from '../refusal.ts'
import type { Subject } from './subject.ts'

/** What has to be changed in a request that goes on: credentials taken out, claims put in. */
export interface Rewriting {
  /** Flat. */
  readonly set: Headers
  readonly removed: readonly string[]
  readonly removedParameters: readonly string[]
}

export interface Proved {
  readonly kind: 'proved'
  readonly asked: DecisionRequest
  readonly rewriting: Rewriting
}

export const unchanged: Rewriting = { set: [], removed: [], removedParameters: [] }

/** Proves the credentials that a request shows, as on the wire. Synchronous unless somebody has to be asked. */
export function proveUser(
  subject: Subject,
  { authentication }: CompiledPolicy,
  authenticator: Authenticator,
  nowMs: number,
): Proved | Refusal | Promise<Proved | Refusal> {
  const { asked, authority, query, remote, fingerprint } = subject
  const { method, path, headers, principal } = asked
  if (authentication.empty || method === undefined || path === undefined || headers === undefined) {
    return { kind: 'proved', asked, rewriting: unchanged }
  }
  const context: CredentialContext = {
    authentication,
    method,
    authority,
    path,
    headers,
    // Without a certificate nothing is bound to one.
    peer: principal.kind === 'peer' ? { id: principal.id, fingerprint: fingerprint ?? '' } : undefined,
    remote,
    nowMs,
    // Who asks us gives up by a time-out of its own, and what we ask others has one as well.
    departure: () => new AbortController().signal,
  }
  const settle = (answer: Awaited<ReturnType<Authenticator['authenticate']>>): Proved | Refusal => {
    if (answer.kind === 'refusal') return answer
    const rewriting = {
      ...changedFields(headers, answer.headers),
      removedParameters: namesGone(query, answer.query),
    }
    return { kind: 'proved', asked: { ...asked, user: answer.user, headers: answer.headers }, rewriting }
  }
  const answer = authenticator.authenticate(context, query)
  return answer instanceof Promise ? answer.then(settle) : settle(answer)
}

function changedFields(before: Headers, after: Headers): Pick<Rewriting, 'set' | 'removed'> {
  const [old, now] = [byName(before), byName(after)]
  const set: string[] = []
  for (const [name, values] of now)
    if (old.get(name)?.join('\0') !== values.join('\0')) set.push(name, values.join(','))
  return { set, removed: [...old.keys()].filter((name) => !now.has(name)) }
}

function byName(headers: Headers): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    names.set(name, [...(names.get(name) ?? []), headers[index + 1]!])
  }
  return names
}

/** Of parameters that are not there any more: the names as they were spelled, which is what an Envoy compares. */
function namesGone(before: string, after: string): readonly string[] {
  if (before === after) return []
  const kept = new Set(queryPieces(after.slice(1)).map(parameterName))
  const gone = queryPieces(before.slice(1)).filter((piece) => !kept.has(parameterName(piece)))
  return [...new Set(gone.map((piece) => piece.split('=', 1)[0]!))]
}
