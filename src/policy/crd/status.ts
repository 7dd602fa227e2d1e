import { integer, list, object, oneOf, optional, type Reader, reader } from '../schema.ts'
import { timestamp, text, words } from '../validate/readers.ts'

/** Most control servers that report of one resource. */
export const MAX_SERVERS = 64
/** Most refusals that one control server reports of one resource. */
export const MAX_REFUSALS = 8
/** `Accepted` and `Applied`, and room for others. */
const MAX_CONDITIONS = 8

export const conditionStatuses = ['True', 'False', 'Unknown'] as const

/** What one control server says of a resource. */
export interface ServerStatus {
  readonly name: string
  readonly sidecars: number
  readonly applied: number
  readonly refused: number
  readonly refusals?: readonly { readonly sidecar: string; readonly message: string }[]
}

/** As `Condition` of meta/v1, but that a reason may be one of our codes. */
export interface Condition {
  readonly type: string
  readonly status: (typeof conditionStatuses)[number]
  readonly observedGeneration?: number
  /** Milliseconds since 1970; RFC 3339 in the document. */
  readonly lastTransitionTime: number
  readonly reason: string
  readonly message: string
}

/** What control servers say of a resource, in its `status`. */
export interface ResourceStatus {
  readonly observedGeneration?: number
  /** Sidecars that are told about the resource, of all servers. */
  readonly sidecars?: number
  /** Those of them that act by its present form. */
  readonly applied?: number
  /** Those of them that refused it. */
  readonly refused?: number
  readonly servers?: readonly ServerStatus[]
  readonly conditions?: readonly Condition[]
}

const count = integer(0, 2 ** 31 - 1)
const generation = integer(0, Number.MAX_SAFE_INTEGER)
const refusal = object({ sidecar: words, message: words })

const server: Reader<ServerStatus> = object({
  name: words,
  sidecars: count,
  applied: count,
  refused: count,
  refusals: optional(list(refusal, { max: MAX_REFUSALS })),
})

const condition: Reader<Condition> = object({
  type: text(() => {}, { pattern: /^[A-Za-z](?:[\w.-]*\w)?$/, maxLength: 316 }),
  status: oneOf(conditionStatuses),
  observedGeneration: optional(generation),
  lastTransitionTime: timestamp,
  reason: text(() => {}, { pattern: /^[A-Za-z](?:[\w,:.-]*\w)?$/, maxLength: 1024 }),
  message: words,
})

const conditionList = list(condition, { max: MAX_CONDITIONS, unique: { keyOf: ({ type }) => type } })
const conditions: Reader<readonly Condition[]> = reader(
  // As the conventions of the API want it: each writer has conditions of its own.
  { ...conditionList.schema, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] },
  (value, field, report) => conditionList(value, field, report),
)

export const resourceStatus: Reader<ResourceStatus> = object({
  observedGeneration: optional(generation),
  sidecars: optional(count),
  applied: optional(count),
  refused: optional(count),
  servers: optional(list(server, { max: MAX_SERVERS })),
  conditions: optional(conditions),
})
