import { isJsonObject, type JsonObject, type JsonValue } from '../identity/json.ts'
import { parseSpiffeId, type SpiffeId } from '../identity/spiffe-id.ts'
import { OutriderError } from '../lib/errors.ts'
import { denialCodes, type Principal, type UserIdentity } from '../policy/decision.ts'
import type { RecordedRequest } from '../policy/replay/replayer.ts'

export type AccessLine =
  | { readonly kind: 'decided'; readonly request: RecordedRequest }
  /** No request that a policy was asked about. */
  | { readonly kind: 'other'; readonly why: 'outbound' | 'not-decided' | 'lines-lost' }
  | { readonly kind: 'malformed'; readonly message: string }

/** Reads one line of `AccessLog` back. Never throws: logs are cut, mixed and edited. */
export function parseAccessLine(line: string): AccessLine {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return { kind: 'malformed', message: 'is not JSON' }
  }
  if (!isJsonObject(value)) return { kind: 'malformed', message: 'is JSON, but no object' }
  try {
    return read(value)
  } catch (error) {
    if (!(error instanceof OutriderError)) throw error
    return { kind: 'malformed', message: error.message }
  }
}

function read(line: JsonObject): AccessLine {
  if (line['dropped'] !== undefined) return { kind: 'other', why: 'lines-lost' }
  const reporter = text(line, 'reporter')
  if (reporter === 'outbound') return { kind: 'other', why: 'outbound' }
  if (reporter !== 'inbound') throw fault('reporter', 'inbound or outbound')
  // Absent: it was refused before a policy was asked.
  if (line['workload'] === undefined) return { kind: 'other', why: 'not-decided' }
  const { code } = line
  const denied = code !== undefined && denialCodes.some((known) => known === code)
  const tcp = text(line, 'protocol') === 'TCP'
  const tokens = line['tokens']
  const host = optionalText(line, 'host')
  const address = optionalText(line, 'address')
  const sni = optionalText(line, 'sni')
  const headers = tcp ? undefined : headersOf(line)
  return {
    kind: 'decided',
    request: {
      workload: spiffeId(line, 'workload'),
      requestId: text(line, 'request_id'),
      status: number(line, 'status'),
      decided: denied ? 'deny' : 'allow',
      rule: optionalText(line, 'rule'),
      request: {
        principal: principal(line),
        method: tcp ? undefined : text(line, 'method'),
        path: tcp ? undefined : text(line, 'path'),
        port: number(line, 'port'),
        host,
        address,
        sni: sni === '' ? undefined : sni,
        headers: headers?.flat,
        ...(tokens === undefined ? {} : { user: user(line) }),
        nowMs: time(line),
      },
      unrecorded: {
        host: host === undefined && !tcp,
        address: address === undefined,
        sni: sni === undefined,
        user: tokens === undefined && !tcp,
        claims: Array.isArray(tokens) && tokens.length > 0,
        headers: headers?.known,
      },
    },
  }
}

function principal(line: JsonObject): Principal {
  if (line['source'] !== 'anonymous') return { kind: 'peer', id: spiffeId(line, 'source') }
  const why = text(line, 'anonymous_because')
  if (why !== 'plaintext-port' && why !== 'plaintext-permissive') throw fault('anonymous_because', 'a known reason')
  return { kind: 'anonymous', why }
}

function user(line: JsonObject): UserIdentity {
  const owner = optionalText(line, 'api_key_owner')
  return {
    tokens: array(line['tokens'] ?? null, 'tokens').map((token) => {
      const [issuer, subject] = texts(token, 'tokens')
      if (issuer === undefined) throw fault('tokens', 'a list of issuers and subjects')
      const claims = { iss: issuer, ...(subject === undefined ? {} : { sub: subject }) }
      return { issuer, subject, claims, expiresAtMs: Number.MAX_SAFE_INTEGER }
    }),
    apiKey:
      owner === undefined
        ? undefined
        : {
            id: text(line, 'api_key'),
            owner,
            scopes: texts(line['api_key_scopes'] ?? [], 'api_key_scopes'),
            expiresAtMs: Number.MAX_SAFE_INTEGER,
          },
  }
}

function headersOf(line: JsonObject): { readonly flat: readonly string[]; readonly known: ReadonlySet<string> } {
  const { headers = {} } = line
  if (!isJsonObject(headers)) throw fault('headers', 'an object')
  const flat = Object.entries(headers).flatMap(([name, values]) =>
    texts(values, 'headers').flatMap((value) => [name, value]),
  )
  const known = new Set(Object.keys(headers))
  // What rules on gRPC methods look at.
  if (line['grpc'] === true && !known.has('content-type')) flat.push('content-type', 'application/grpc')
  return { flat, known }
}

function time(line: JsonObject): number {
  const ms = Date.parse(text(line, 'time'))
  if (Number.isNaN(ms)) throw fault('time', 'a time as in RFC 3339')
  return ms
}

function spiffeId(line: JsonObject, field: string): SpiffeId {
  try {
    return parseSpiffeId(text(line, field))
  } catch {
    throw fault(field, 'a SPIFFE ID')
  }
}

function text(line: JsonObject, field: string): string {
  const value = optionalText(line, field)
  if (value === undefined) throw fault(field, 'a text')
  return value
}

function optionalText(line: JsonObject, field: string): string | undefined {
  const value = line[field]
  if (value === undefined || typeof value === 'string') return value
  throw fault(field, 'a text')
}

function number(line: JsonObject, field: string): number {
  const value = line[field]
  if (typeof value !== 'number' || !Number.isInteger(value)) throw fault(field, 'a whole number')
  return value
}

function array(value: JsonValue, field: string): readonly JsonValue[] {
  if (Array.isArray(value)) return value
  throw fault(field, 'a list')
}

function texts(value: JsonValue, field: string): readonly string[] {
  return array(value, field).map((item) => {
    if (typeof item === 'string') return item
    throw fault(field, 'a list of texts')
  })
}

function fault(field: string, wanted: string): OutriderError<'access-log-line'> {
  return new OutriderError('access-log-line', `has no ${field} that is ${wanted}`)
}
