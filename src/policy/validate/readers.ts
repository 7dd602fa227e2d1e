import { parseSpiffeId, spiffeIdForm, type SpiffeId } from '../../identity/spiffe-id.ts'
import { durationForm, parseDuration } from '../../lib/duration.ts'
import { OutriderError } from '../../lib/errors.ts'
import { nameForm, parseNamespace } from '../match/account.ts'
import { defaultNamespace, type Kind, type Metadata, apiVersion } from '../model.ts'
import {
  andThen,
  integer,
  list,
  type ListBounds,
  object,
  oneOf,
  optional,
  type Optional,
  parsed,
  type Reader,
  withDefault,
} from '../schema.ts'
import type { SchemaRule, TextForm } from '../structural-schema.ts'

/** Most entries of any list. */
export const MAX_LIST = 512
/** Most characters of any string. */
export const MAX_STRING = 2048
const DAY_MS = 86_400_000

/** A text that a parser of `match/` or `identity/` takes, as it stands. All that it takes has the form `form`. */
export function text(parse: (text: string) => unknown, form: TextForm = {}): Reader<string> {
  return parsed(
    (text) => {
      parse(text)
      return text
    },
    MAX_STRING,
    form,
  )
}

export function listOf<T>(item: Reader<T>, bounds: Omit<ListBounds<T>, 'max'> = {}): Reader<readonly T[]> {
  return list(item, { max: MAX_LIST, ...bounds })
}

/** A list whose absence means "everything": an empty one would be read as the opposite of what it says. */
export function conditionOf<T>(item: Reader<T>): ReturnType<typeof optional<readonly T[]>> {
  return optional(listOf(item, { min: 1 }))
}

/** A duration as it stands in a resource, in milliseconds. */
function durationMs(text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined) return ms
  throw new OutriderError(
    'duration-malformed',
    `a duration is a number with its unit, such as 500ms, 10s, 5m, 24h or 90d, not ${JSON.stringify(text.slice(0, 100))}`,
  )
}

export function duration(minMs: number, maxMs: number, range: string): Reader<number> {
  const message = `must be from ${range}`
  const form = { pattern: durationForm, description: `A number with its unit, such as 500ms, 10s, 5m: ${range}.` }
  return andThen(
    parsed(durationMs, MAX_STRING, form),
    (ms, field, report) => (ms < minMs || ms > maxMs ? report({ field, code: 'duration-out-of-range', message }) : ms),
    { rules: [rangeRule(minMs, maxMs, message)] },
  )
}

/** CEL has no days: they count where they stand alone, and are the reader's where they stand before other units. */
function rangeRule(minMs: number, maxMs: number, message: string): SchemaRule {
  const days = `int(self.substring(0, self.size() - 1)) * ${DAY_MS}`
  const whole = `${days} >= ${minMs} && ${days} <= ${maxMs}`
  const rest = `duration(self) >= duration('${minMs}ms') && duration(self) <= duration('${maxMs}ms')`
  return { rule: `self.contains('d') ? !self.matches('^[0-9]+d$') || ${whole} : ${rest}`, message }
}

export const label: Reader<string> = text(parseNamespace, { pattern: nameForm, maxLength: 63 })
export const spiffeId: Reader<SpiffeId> = parsed(parseSpiffeId, MAX_STRING, { pattern: spiffeIdForm })
export const port: Reader<number> = integer(1, 65535)
export const workloads: Optional<readonly string[], readonly string[]> = withDefault(listOf(label), [])

const timestampForm =
  /^[1-9]\d{3}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/** RFC 3339, in milliseconds since 1970. */
export const timestamp: Reader<number> = parsed(
  (text) => {
    if (timestampForm.test(text) && isDay(text.slice(0, 10))) return Date.parse(text)
    throw new OutriderError(
      'timestamp-malformed',
      `a time is written as in RFC 3339, such as 2027-01-31T18:00:00Z, not ${JSON.stringify(text.slice(0, 100))}`,
    )
  },
  MAX_STRING,
  { pattern: timestampForm, maxLength: 40, description: 'A time of RFC 3339, such as 2027-01-31T18:00:00Z.' },
)

/** `Date` takes the 31st of any month, and makes the first days of the next of what is too much. */
function isDay(date: string): boolean {
  const ms = Date.parse(`${date}T00:00:00Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(date)
}

/** A URL with neither a user nor a fragment. */
export const httpsForm: RegExp = /^https:\/\/[^#@\s]+$/

/** For people: one line or more, of no more than `MAX_STRING` characters. */
export const words: Reader<string> = text(() => {})

/** Refuses `{}`, which would match everything in the middle of a list of conditions. */
export function notEmpty<T extends object>(entry: Reader<T>): Reader<T> {
  return andThen(
    entry,
    (value, field, report) =>
      Object.keys(value).length > 0
        ? value
        : report({
            field,
            code: 'entry-empty',
            message: 'an entry without a condition matches everything: leave the list out to say so',
          }),
    { minProperties: 1 },
  )
}

export interface Envelope<K, Spec> {
  readonly kind: K
  readonly metadata: Metadata
  readonly spec: Spec
}

export function envelope<K extends Kind, Spec>(kind: K, spec: Reader<Spec>): Reader<Envelope<K, Spec>> {
  const document = object({
    apiVersion: oneOf([apiVersion]),
    kind: oneOf([kind]),
    metadata: object({ name: label, namespace: withDefault(label, defaultNamespace) }),
    spec,
  })
  return andThen(document, ({ kind, metadata, spec }) => ({ kind, metadata, spec }))
}
