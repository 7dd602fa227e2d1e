import { OutriderError } from '../lib/errors.ts'

export type KubernetesErrorCode =
  | 'kubernetes-unreachable'
  | 'kubernetes-credentials'
  | 'kubernetes-refused'
  | 'kubernetes-conflict'
  | 'kubernetes-gone'
  | 'kubernetes-forbidden'
  | 'kubernetes-answer'
  | 'kubernetes-too-many'
  | 'kubernetes-object'
  | 'kubernetes-set-back'

/** One of `details.causes` of a Status object: a field, and what is wrong with it. */
export interface StatusCause {
  readonly reason: string
  readonly message: string
  readonly field: string
}

export interface ApiErrorDetails {
  readonly cause?: unknown
  /** By the code, when not given. */
  readonly retryable?: boolean
  readonly status?: number
  readonly reason?: string
  readonly causes?: readonly StatusCause[]
  readonly retryAfterMs?: number
}

const sources = {
  'kubernetes-unreachable': 'dependency',
  'kubernetes-credentials': 'dependency',
  'kubernetes-refused': 'dependency',
  'kubernetes-conflict': 'dependency',
  'kubernetes-gone': 'dependency',
  'kubernetes-forbidden': 'dependency',
  'kubernetes-answer': 'dependency',
  'kubernetes-set-back': 'dependency',
  'kubernetes-too-many': 'input',
  'kubernetes-object': 'input',
} as const satisfies Record<KubernetesErrorCode, 'dependency' | 'input'>

/** What is no answer at all may be one a moment later; what the API server says stays true until somebody changes something. */
const retryable: ReadonlySet<KubernetesErrorCode> = new Set([
  'kubernetes-unreachable',
  'kubernetes-credentials',
  'kubernetes-gone',
  'kubernetes-set-back',
])

/** A call of the API server that failed. There is no token and no key in any message. */
export class ApiError extends OutriderError<KubernetesErrorCode> {
  override readonly name: string = 'ApiError'
  /** HTTP status, when there was an answer. */
  readonly status: number | undefined
  /** `reason` of the Status object, such as `AlreadyExists`, `Conflict`, `Expired`. */
  readonly reason: string | undefined
  /** At most 32. With server-side apply: the fields that other managers own. */
  readonly causes: readonly StatusCause[]
  /** How long the API server asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined

  constructor(code: KubernetesErrorCode, message: string, details: ApiErrorDetails = {}) {
    super(code, message, {
      source: sources[code],
      retryable: details.retryable ?? retryable.has(code),
      ...(details.cause === undefined ? {} : { cause: details.cause }),
    })
    this.status = details.status
    this.reason = details.reason
    this.causes = details.causes ?? []
    this.retryAfterMs = details.retryAfterMs
  }
}
