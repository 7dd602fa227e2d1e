import { resourceKey } from '../../policy/model.ts'
import type { Nack__Output } from '../../wire/outrider/policy/v1/Nack.ts'
import type { HeldResource } from './diff.ts'

const MAX_VIOLATIONS_KEPT = 20
const MAX_VIOLATION_TEXT = 300

/** An update that a sidecar has not answered. */
export interface InFlight {
  readonly nonce: string
  readonly revision: number
  readonly changed: readonly HeldResource[]
  readonly removed: readonly HeldResource['name'][]
}

/** What of an update was refused: what the violations name, or all of it when they name nothing that was sent. */
export function refusedBy({ violations }: Nack__Output, update: InFlight): ReadonlySet<string> {
  const sent = new Set(update.changed.map(({ name }) => resourceKey(name)))
  const named = violations.flatMap(({ resource }) => (resource === null ? [] : resourceKey(resource)))
  const refused = new Set(named.filter((key) => sent.has(key)))
  return refused.size > 0 ? refused : sent
}

/** What a sidecar says is wrong, a line each: bounded, because it chooses the words. */
export function violationsOf({ violations }: Nack__Output): readonly string[] {
  return violations.slice(0, MAX_VIOLATIONS_KEPT).map(({ resource, field, code, message }) => {
    const name = resource === null ? 'update' : resourceKey(resource)
    return `${name}: ${field}: ${message} (${code})`.slice(0, MAX_VIOLATION_TEXT)
  })
}
