import type { ApiAnswer } from './call.ts'
import { ApiError, type ApiErrorDetails, type KubernetesErrorCode, type StatusCause } from './failure.ts'
import { isRecord, nameOfType, type ResourceType } from './objects.ts'

/** What was asked for, in the words of RBAC. */
export interface Asked {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'
  readonly type?: ResourceType
  readonly namespace?: string | undefined
  readonly name?: string | undefined
  readonly subresource?: string | undefined
  /** Of a call that names no type. */
  readonly path: string
}

/** `Status` of `meta/v1`, as far as it is read here. */
export interface Status {
  readonly code: number
  readonly reason: string
  readonly message: string
  readonly causes: readonly StatusCause[]
  /** `details.name`: the object that it is about. */
  readonly name: string
  readonly retryAfterMs?: number
}

const MAX_MESSAGE = 1024
const MAX_CAUSES = 32
/** Worth another try without a change of anything. 401: the token may have been replaced between reading and looking. */
const passing: ReadonlySet<number> = new Set([401, 408, 425, 429, 500, 502, 503, 504])

/** Reads a Status object; of anything else only the HTTP status is left. */
export function statusOf(value: unknown, httpStatus: number): Status {
  const fields = isRecord(value) && value['kind'] === 'Status' ? value : {}
  const details = isRecord(fields['details']) ? fields['details'] : {}
  const { code, reason, message } = fields
  const seconds = details['retryAfterSeconds']
  return {
    code: typeof code === 'number' ? code : httpStatus,
    reason: textOf(reason),
    message: textOf(message),
    causes: causesOf(details['causes']),
    name: textOf(details['name']),
    ...(typeof seconds === 'number' && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  }
}

/** The error of an answer that is no success. */
export function refusalOf(answer: ApiAnswer, asked: Asked): ApiError {
  let value: unknown
  try {
    value = JSON.parse(answer.text)
  } catch {
    // `404 page not found` and pages of gateways: there is nothing to learn from them.
  }
  const status = statusOf(value, answer.status)
  const retryAfterMs = answer.retryAfterMs ?? status.retryAfterMs
  return errorOf({ ...status, code: answer.status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }, asked)
}

/** The error that a Status object tells. */
export function errorOf(status: Status, asked: Asked): ApiError {
  const { code, reason, causes, retryAfterMs } = status
  const details: ApiErrorDetails = {
    status: code,
    reason,
    causes: isSecret(asked.type) ? [] : causes,
    retryable: passing.has(code) || code === 410,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
  return new ApiError(codeOf(status), `${describeAsked(asked)}: ${explanationOf(status, asked)}`, details)
}

function codeOf({ code }: Status): KubernetesErrorCode {
  switch (code) {
    case 403:
      return 'kubernetes-forbidden'
    case 409:
      return 'kubernetes-conflict'
    case 410:
      return 'kubernetes-gone'
    default:
      return 'kubernetes-refused'
  }
}

function explanationOf(status: Status, { verb, type, subresource }: Asked): string {
  const { code, reason, message, causes } = isSecret(type) ? { ...status, message: '', causes: [] } : status
  const said = [`${code}${reason === '' ? '' : ` ${reason}`}`, message].filter((part) => part !== '').join(', ')
  // Quotas and admission answer 403 too: those no role can mend.
  if (code === 403 && type !== undefined && (message === '' || /\bcannot [a-z]+ resource\b/.test(message))) {
    const resource = subresource === undefined ? type.plural : `${type.plural}/${subresource}`
    return `the role of our account lacks the verb "${verb}" on "${resource}" of the API group "${type.group}" (${said})`
  }
  if (code === 404 && message === '' && !isSecret(type)) return `${said}, there is no such resource in this API server`
  const missing = causes.filter((cause) => !message.includes(cause.message))
  return [said, ...missing.slice(0, 4).map((cause) => `${cause.field} ${cause.message}`.trim())].join('; ')
}

/** What the API server says of an object that it refuses may quote all of it. */
function isSecret(type: ResourceType | undefined): boolean {
  return type?.group === '' && type.plural === 'secrets'
}

export function describeAsked({ verb, type, namespace, name, subresource, path }: Asked): string {
  if (type === undefined) return `${verb} ${path}`
  const object = name === undefined ? '' : ` ${name}`
  const where = namespace === undefined ? '' : ` in namespace ${namespace}`
  return `${verb} ${nameOfType(type)}${subresource === undefined ? '' : `/${subresource}`}${object}${where}`
}

function causesOf(value: unknown): StatusCause[] {
  if (!Array.isArray(value)) return []
  return value
    .filter(isRecord)
    .slice(0, MAX_CAUSES)
    .map(({ reason, message, field }) => ({ reason: textOf(reason), message: textOf(message), field: textOf(field) }))
}

/** One line. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, MAX_MESSAGE).replaceAll(/[\u0000-\u001f\u007f]+/g, ' ') : ''
}
