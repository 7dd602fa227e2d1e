import { type HeaderChange, isFieldName, isFieldValue } from '../../http/header-changes.ts'
import { type Headers, isMessageField, hopByHopFields } from '../../http/headers.ts'
import type { CheckResponse__Output } from '../../wire/envoy/service/auth/v3/CheckResponse.ts'
import type { DeniedHttpResponse__Output } from '../../wire/envoy/service/auth/v3/DeniedHttpResponse.ts'
import type { OkHttpResponse__Output } from '../../wire/envoy/service/auth/v3/OkHttpResponse.ts'
import type { HeaderValueOption__Output } from '../../wire/envoy/config/core/v3/HeaderValueOption.ts'
import { isOwnField } from '../own-fields.ts'
import type { QueryChanges } from './query.ts'

/** What an external authorization server has decided. */
export type Answer =
  | { readonly kind: 'allowed'; readonly changes: RequestChanges | undefined }
  | ({ readonly kind: 'denied' } & OwnAnswer)

/** It cannot be read, or wants what may not be. */
export interface Malformed {
  readonly kind: 'malformed'
  readonly why: string
}

export interface RequestChanges {
  readonly headers: readonly HeaderChange[]
  readonly removed: ReadonlySet<string>
  readonly responseHeaders: readonly HeaderChange[]
  readonly query: QueryChanges
}

/** What the client gets in place of an answer of the application. */
export interface OwnAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

const MAX_CHANGES = 64
/** Names and values of one answer, in characters. */
const MAX_CHANGED_LENGTH = 16_384
const MAX_BODY_BYTES = 65_536
const FORBIDDEN = 403

/** Fields that a server may neither set nor remove in a request: they say how it is read, or are ours. */
function isProtected(name: string, claims: ReadonlySet<string>): boolean {
  return isProtectedInAnswer(name) || isOwnField(name) || name === 'tracestate' || claims.has(name)
}

function isProtectedInAnswer(name: string): boolean {
  return (
    name.startsWith(':') ||
    name.startsWith('x-outrider-') ||
    name === 'x-request-id' ||
    isMessageField(name) ||
    hopByHopFields.has(name)
  )
}

/** `claims`: names of the headers that proven claims go in. */
export function readAnswer(
  { status, httpResponse, okResponse, deniedResponse }: CheckResponse__Output,
  claims: ReadonlySet<string>,
): Answer | Malformed {
  // Nothing at all would be OK by the rules of protobuf: who allows says so.
  if (status === null && httpResponse === undefined) return { kind: 'malformed', why: 'it says nothing' }
  const allowed = status?.code === 0 || (status === null && httpResponse === 'okResponse')
  try {
    if (!allowed) return { kind: 'denied', ...ownAnswerOf(deniedResponse ?? null) }
    if (httpResponse === 'deniedResponse') {
      return { kind: 'malformed', why: 'its status is OK, and its response is a denial' }
    }
    return { kind: 'allowed', changes: okResponse ? changesOf(okResponse, claims) : undefined }
  } catch (thrown) {
    if (!(thrown instanceof Unacceptable)) throw thrown
    return { kind: 'malformed', why: thrown.message }
  }
}

class Unacceptable extends Error {}

function changesOf(ok: OkHttpResponse__Output, claims: ReadonlySet<string>): RequestChanges | undefined {
  const { headers, headersToRemove, responseHeadersToAdd, queryParametersToSet, queryParametersToRemove } = ok
  const lists = [headers, headersToRemove, responseHeadersToAdd, queryParametersToSet, queryParametersToRemove]
  const changes = lists.reduce((sum, list) => sum + list.length, 0)
  if (changes === 0) return undefined
  if (changes > MAX_CHANGES) throw new Unacceptable(`it has more than ${MAX_CHANGES} changes`)
  const removed = headersToRemove.map((name) => name.toLowerCase()).filter((name) => !isProtected(name, claims))
  const query = {
    removed: queryParametersToRemove,
    set: queryParametersToSet.map(({ key, value }) => ({ key, value })),
  }
  const read: RequestChanges = {
    headers: headers.flatMap((option) => headerChange(option, (name) => isProtected(name, claims))),
    removed: new Set(removed),
    responseHeaders: responseHeadersToAdd.flatMap((option) => headerChange(option, isProtectedInAnswer)),
    query,
  }
  const texts = [
    ...[...read.headers, ...read.responseHeaders].flatMap(({ name, value }) => [name, value]),
    ...query.set.flatMap(({ key, value }) => [encodeURIComponent(key), encodeURIComponent(value)]),
  ]
  checkLength(texts)
  return read
}

function checkLength(texts: readonly string[]): void {
  const length = texts.reduce((sum, text) => sum + text.length, 0)
  if (length > MAX_CHANGED_LENGTH) throw new Unacceptable(`its changes have more than ${MAX_CHANGED_LENGTH} characters`)
}

const hows = {
  APPEND_IF_EXISTS_OR_ADD: 'overwrite-or-add',
  ADD_IF_ABSENT: 'add-if-absent',
  OVERWRITE_IF_EXISTS_OR_ADD: 'overwrite-or-add',
  OVERWRITE_IF_EXISTS: 'overwrite-if-exists',
} as const satisfies Record<HeaderValueOption__Output['appendAction'], HeaderChange['how']>

/**
 * None for a protected field, as Envoy ignores what it protects. Without a word about appending a field is overwritten, as the
 * protocol has it for these messages: otherwise a client could send its own value beside that of the server.
 */
function headerChange(
  { header, append, appendAction }: HeaderValueOption__Output,
  isProtectedHere: (name: string) => boolean,
): HeaderChange[] {
  const name = header?.key.toLowerCase() ?? ''
  if (isProtectedHere(name)) return []
  const raw = header?.rawValue
  const value = raw !== undefined && raw.length > 0 ? Buffer.from(raw).toString('latin1') : (header?.value ?? '')
  if (!isFieldName(name)) throw new Unacceptable(`${JSON.stringify(name.slice(0, 100))} is no name of a header`)
  if (!isFieldValue(value)) throw new Unacceptable(`the value of ${name} holds what no header may`)
  // A number that this version has no name for comes as a number.
  if (!Object.hasOwn(hows, appendAction)) throw new Unacceptable(`it wants ${appendAction} for ${name}`)
  return [{ name, value, how: append?.value === true ? 'append' : hows[appendAction] }]
}

function ownAnswerOf(denied: DeniedHttpResponse__Output | null): OwnAnswer {
  if (denied === null) return { status: FORBIDDEN, headers: [], body: '' }
  const { headers, body } = denied
  // Envoy's "no status" is 0.
  const status = (denied.status?.code ?? 0) === 0 ? FORBIDDEN : denied.status!.code
  if (status < 200 || status > 599) throw new Unacceptable(`it denies with the status ${status}`)
  if (Buffer.byteLength(body) > MAX_BODY_BYTES) throw new Unacceptable(`its body has more than ${MAX_BODY_BYTES} bytes`)
  if (headers.length > MAX_CHANGES) throw new Unacceptable(`it has more than ${MAX_CHANGES} changes`)
  const fields = headers.flatMap((option) => headerChange(option, isProtectedInAnswer))
  const flat = fields.flatMap(({ name, value }) => [name, value])
  checkLength(flat)
  // Neither may have a body (RFC 9110, 15.3.5 and 15.4.5).
  return { status, headers: flat, body: status === 204 || status === 304 ? '' : body }
}
