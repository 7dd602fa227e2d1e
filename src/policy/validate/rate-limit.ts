import type { RateLimit } from '../model.ts'
import { andThen, by, integer, object, oneOf, optional, pathOf, type Reader } from '../schema.ts'
import { operation } from './authorization.ts'
import { conditionOf, duration, envelope, label, listOf, workloads } from './readers.ts'

/** Highest count in a RateLimit. */
export const MAX_REQUESTS = 1_000_000_000
/** Faster than this the clock's resolution, not the limit, would decide. */
export const MAX_REQUESTS_PER_MS = 1000
export const MAX_LIMIT_PERIOD_MS: number = 31 * 86_400_000

const tooHigh = `at most ${MAX_REQUESTS_PER_MS * 1000} requests a second`

const count = integer(1, MAX_REQUESTS)

const limit = andThen(
  object({
    name: label,
    key: oneOf(['identity', 'all']),
    requests: count,
    per: duration(1, MAX_LIMIT_PERIOD_MS, '1ms to 31d'),
    burst: optional(count),
    to: conditionOf(operation),
  }),
  ({ per: perMs, ...rest }, field, report) =>
    rest.requests > perMs * MAX_REQUESTS_PER_MS
      ? report({ field: pathOf(field, 'requests'), code: 'rate-too-high', message: tooHigh })
      : { ...rest, perMs, burst: rest.burst ?? rest.requests },
  {
    rules: [
      {
        rule: `self.per.contains('d') || duration(self.per).getMilliseconds() * ${MAX_REQUESTS_PER_MS} >= self.requests`,
        message: tooHigh,
        fieldPath: '.requests',
      },
    ],
  },
)

const rateLimitSpec = object({ workloads, limits: listOf(limit, { min: 1, unique: by('name') }) })

export const rateLimit: Reader<RateLimit> = envelope('RateLimit', rateLimitSpec)
