import { MAX_REFUSALS, MAX_SERVERS } from '../../policy/crd/status.ts'
import { isRecord } from '../../kubernetes/objects.ts'
import { itemsAt, numberAt, textAt } from './fields.ts'

/** What this control server has to say of a resource. */
export interface Observation {
  readonly server: string
  /** Of the form that is judged. */
  readonly generation: number
  /** Why it is not served as it is written; undefined: it is. */
  readonly heldBack: { readonly code: string; readonly message: string } | undefined
  readonly counts: Counts
}

/** Sidecars that are connected to one server and are told of a resource. */
export interface Counts {
  readonly sidecars: number
  readonly applied: number
  readonly refused: number
  readonly refusals: readonly { readonly sidecar: string; readonly message: string }[]
}

type Fields = Readonly<Record<string, unknown>>

const MAX_MESSAGE = 1024
const SEEN_BY = /\(seen by ([^()]*)\)$/

/**
 * The status of a resource as it should be, given the present one, in which other servers have entries of their own; `undefined` when it is
 * so already. Entries of servers that are gone are left out. Only who said that a resource is held back says that it is so no more, or
 * anybody when that one is gone: servers that do not agree would take turns for ever.
 */
export function nextStatus(
  present: unknown,
  observation: Observation,
  isGone: (server: string) => boolean,
  nowMs: number,
): object | undefined {
  const before: Fields = isRecord(present) ? present : {}
  const servers = serversOf(before, observation, isGone)
  const sum = (field: 'sidecars' | 'applied' | 'refused'): number =>
    servers.reduce((total, server) => total + (numberAt(server, field) ?? 0), 0)
  const counts = { sidecars: sum('sidecars'), applied: sum('applied'), refused: sum('refused') }
  const conditions = itemsAt(before, 'conditions').filter((item) => isRecord(item))
  const accepted = acceptedOf(conditions, observation, isGone)
  const applied = appliedOf(accepted.status, counts)
  const others = conditions.filter(({ type }) => type !== 'Accepted' && type !== 'Applied')
  const made = [
    { type: 'Accepted', ...accepted },
    { type: 'Applied', ...applied },
  ].map((condition) => dated({ ...condition, observedGeneration: observation.generation }, conditions, nowMs))
  const next = { observedGeneration: observation.generation, ...counts, servers, conditions: [...made, ...others] }
  return canonical(next) === canonical(before) ? undefined : next
}

/** Servers that the status names. */
export function serversIn(status: unknown): readonly string[] {
  return itemsAt(isRecord(status) ? status : {}, 'servers').flatMap((item) =>
    isRecord(item) ? (textAt(item, 'name') ?? []) : [],
  )
}

function serversOf(before: Fields, { server, counts }: Observation, isGone: (server: string) => boolean): Fields[] {
  const others = itemsAt(before, 'servers')
    .filter((item) => isRecord(item))
    .filter((item) => {
      const name = textAt(item, 'name')
      return name !== undefined && name !== server && !isGone(name)
    })
  const { sidecars, applied, refused, refusals } = counts
  const own = {
    name: server,
    sidecars,
    applied,
    refused,
    ...(refusals.length > 0 && {
      refusals: refusals
        .slice(0, MAX_REFUSALS)
        .map(({ sidecar, message }) => ({ sidecar, message: message.slice(0, MAX_MESSAGE) })),
    }),
  }
  const all: Fields[] = sidecars === 0 ? others : [...others, own]
  return all.toSorted((a, b) => ((textAt(a, 'name') ?? '') < (textAt(b, 'name') ?? '') ? -1 : 1)).slice(0, MAX_SERVERS)
}

interface Said {
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
}

function acceptedOf(
  conditions: readonly Fields[],
  { heldBack, generation, server }: Observation,
  isGone: (server: string) => boolean,
): Said {
  if (heldBack !== undefined) {
    const { code, message } = heldBack
    return { status: 'False', reason: code, message: `${message.slice(0, MAX_MESSAGE)} (seen by ${server})` }
  }
  const before = conditions.find(({ type }) => type === 'Accepted')
  const message = textAt(before, 'message') ?? ''
  const [, seenBy] = SEEN_BY.exec(message) ?? []
  const stands =
    before?.['status'] === 'False' &&
    numberAt(before, 'observedGeneration') === generation &&
    seenBy !== undefined &&
    seenBy !== server &&
    !isGone(seenBy)
  return stands
    ? { status: 'False', reason: textAt(before, 'reason') ?? '', message }
    : { status: 'True', reason: 'Accepted', message: 'served to sidecars' }
}

function appliedOf(accepted: Said['status'], counts: Omit<Counts, 'refusals'>): Said {
  const { sidecars, applied, refused } = counts
  if (accepted !== 'True')
    return {
      status: 'Unknown',
      reason: 'NotAccepted',
      message: 'sidecars have the last form that was accepted, if there is one',
    }
  if (refused > 0)
    return { status: 'False', reason: 'Refused', message: `${refused} of ${sidecars} sidecars refused it` }
  if (applied < sidecars)
    return { status: 'False', reason: 'Pending', message: `${applied} of ${sidecars} sidecars act by it` }
  return { status: 'True', reason: 'Applied', message: `${applied} of ${sidecars} sidecars act by it` }
}

/** With the time of the last change of `status`, as the conventions of the API want it. */
function dated(condition: Fields, before: readonly Fields[], nowMs: number): Fields {
  const same = before.find(({ type, status }) => type === condition['type'] && status === condition['status'])
  const since = textAt(same, 'lastTransitionTime') ?? new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z')
  return { ...condition, lastTransitionTime: since }
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    isRecord(part) ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1))) : part,
  )
}
