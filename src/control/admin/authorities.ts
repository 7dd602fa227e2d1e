import type { Clock } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { AdminHandlers } from '../../rpc/handler.ts'
import { timestampOf } from '../../lib/protobuf-time.ts'
import type { AuditEvent, AuditLog } from '../../telemetry/audit.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { AuthorityList } from '../../wire/outrider/admin/v1/AuthorityList.ts'
import type { Authority as WireAuthority } from '../../wire/outrider/admin/v1/Authority.ts'
import type { Standing } from '../ca/certificate-authority.ts'
import type { CaHome } from '../ca/home.ts'
import type { AuthorityState } from '../ca/storage.ts'
import type { OwnIdentity } from '../own-identity.ts'
import type { Sessions } from '../publish/sessions.ts'
import type { ServerReport } from '../server-report.ts'
import { isBehind, nameOf, type ServerReports } from '../server-reports.ts'
import type { SidecarRegistry } from '../sidecars.ts'

export interface AuthorityParts {
  readonly home: CaHome
  readonly identity: OwnIdentity
  readonly sessions: Sessions
  readonly sidecars: SidecarRegistry
  readonly reports: ServerReports
  readonly clock: Clock
  readonly audit: AuditLog
  readonly log: Logger
}

type AuthorityHandlers = Pick<
  AdminHandlers,
  'getAuthorities' | 'prepareAuthority' | 'activateAuthority' | 'taintAuthority' | 'revokeAuthority'
>

const WIRE_STATE = {
  prepared: 'STATE_PREPARED',
  active: 'STATE_ACTIVE',
  retired: 'STATE_RETIRED',
  tainted: 'STATE_TAINTED',
} as const satisfies Record<AuthorityState, WireAuthority['state']>
const EVENTS = {
  prepare: 'authority-prepared',
  activate: 'authority-activated',
  taint: 'authority-tainted',
  revoke: 'authority-revoked',
} as const satisfies Record<string, AuditEvent['event']>
/** Sidecars that are named, where more are counted. */
const MAX_NAMED = 20

/** Who would be cut off if a root were believed no more. */
interface Dependence {
  /** Sidecars whose SVID ends at it, connected or lost with an SVID that has not expired. */
  readonly sidecars: readonly string[]
  /** Connections that sidecars have reported. */
  readonly connections: number
  /** The control server itself. */
  readonly control: boolean
}

/** The steps that replace a root, each of which shows who is not ready for it. */
export function authorityHandlers(parts: AuthorityParts): AuthorityHandlers {
  const { home, audit, log } = parts
  const { authority } = home
  const done = (step: keyof typeof EVENTS, { authority: { fingerprint } }: Standing, force: boolean): AuthorityList => {
    audit.record({ event: EVENTS[step], authority: fingerprint })
    log.warn({ step, fingerprint, force, sequence: authority.bundle.current.sequence }, 'the trust bundle was changed')
    return list(parts)
  }
  return {
    getAuthorities: () => list(parts),

    prepareAuthority: async ({ certificates, key }) => {
      const given = certificates === '' ? undefined : { certificates, key }
      return done('prepare', await home.change((ca) => ca.prepare(given)), false)
    },

    activateAuthority: async ({ id, force }) => {
      await home.catchUp()
      const { authority: wanted } = authority.pick(orOnly(id), ['prepared'])
      if (!force) checkBelieved(wanted.id, parts)
      return done('activate', await home.change((ca) => ca.activate(wanted.fingerprint)), force)
    },

    taintAuthority: async ({ id }) => done('taint', await home.change((ca) => ca.taint(orOnly(id))), false),

    revokeAuthority: async ({ id, force }) => {
      await home.catchUp()
      const { authority: wanted } = authority.pick(orOnly(id), ['tainted', 'prepared'])
      const { sidecars, connections, control } = dependence(wanted.fingerprint, parts)
      const reasons = [
        ...(sidecars.length > 0 ? [`the SVIDs of ${count(sidecars.length, 'sidecar')} (${some(sidecars)})`] : []),
        ...(connections > 0 ? [count(connections, 'open connection')] : []),
        ...(control ? ['the certificate of this control server'] : []),
        ...elsewhere(wanted.fingerprint, parts),
      ]
      if (reasons.length > 0 && !force) throw inUse(`${wanted.id} is what ${reasons.join(' and ')} ends at`)
      return done('revoke', await home.change((ca) => ca.revoke(wanted.fingerprint)), force)
    },
  }
}

/** Throws `ca-in-use` while anybody whom we know of may not believe what is to sign. */
function checkBelieved(id: string, parts: AuthorityParts): void {
  const { sequence } = parts.home.authority.bundle.current
  const { others, silent } = parts.reports
  const late = [...others.filter((other) => other.sequence < sequence).map(({ server }) => server), ...silent]
  if (late.length > 0)
    throw inUse(
      `${count(late.length, 'control server')} may not have heard of ${id} yet, or may be gone: ${some(late)}`,
    )
  const behind = sidecarsBehind(parts)
  const total = others.reduce((sum, other) => sum + other.behind, behind.length)
  const names = [...behind, ...others.flatMap((other) => other.names)]
  if (total > 0) throw inUse(`${count(total, 'sidecar')} may not believe ${id} yet: ${some(names)}`)
}

/** What other control servers say that ends at a root, and who says nothing. */
function elsewhere(fingerprint: string, { reports }: AuthorityParts): readonly string[] {
  const unknown = reports.silent.map((server) => `what the control server ${server} has not told of`)
  const known = reports.others.flatMap(({ server, roots }) => {
    const { sidecars = 0, connections = 0, control = false } = roots[fingerprint] ?? {}
    return [
      ...(sidecars > 0 ? [`the SVIDs of ${count(sidecars, 'sidecar')} of the control server ${server}`] : []),
      ...(connections > 0 ? [`${count(connections, 'open connection')} of its sidecars there`] : []),
      ...(control ? [`the certificate of the control server ${server}`] : []),
    ]
  })
  return [...known, ...unknown]
}

function list(parts: AuthorityParts): AuthorityList {
  const {
    sessions,
    reports: { others },
  } = parts
  const { authority } = parts.home
  const behind = sidecarsBehind(parts)
  const isLate = (other: ServerReport): boolean => other.sequence < authority.bundle.current.sequence
  return {
    trustDomain: authority.trustDomain,
    sequence: authority.bundle.current.sequence,
    authorities: authority.standings.map((standing) => wireAuthority(standing, parts)),
    connectedSidecars: others.reduce((sum, { connected }) => sum + connected, sessions.size),
    behind: [...behind, ...others.flatMap(({ names }) => names)].slice(0, MAX_NAMED),
    behindCount: others.reduce((sum, other) => sum + (isLate(other) ? other.connected : other.behind), behind.length),
  }
}

function wireAuthority({ authority, state, sinceMs }: Standing, parts: AuthorityParts): WireAuthority {
  const { fingerprint, root, rootKey, signersNotAfterMs } = authority
  const { sidecars, connections, control } = dependence(fingerprint, parts)
  const elsewhere = parts.reports.others.map(({ roots }) => roots[fingerprint])
  return {
    fingerprint,
    state: WIRE_STATE[state],
    since: timestampOf(sinceMs),
    notAfter: timestampOf(root.notAfterMs),
    signersNotAfter: timestampOf(signersNotAfterMs),
    keyElsewhere: rootKey === undefined,
    sidecars: elsewhere.reduce((sum, use) => sum + (use?.sidecars ?? 0), sidecars.length),
    connections: elsewhere.reduce((sum, use) => sum + (use?.connections ?? 0), connections),
    dependents: sidecars.slice(0, MAX_NAMED),
    control,
  }
}

function dependence(fingerprint: string, { sessions, sidecars, identity, clock }: AuthorityParts): Dependence {
  const nowMs = clock.now()
  const named: string[] = []
  let connections = 0
  for (const { record, peer } of sidecars.records()) {
    const session = sessions.get(record.spiffeId, record.sidecarId)
    const trust = session?.trust
    const svidAuthority = trust?.svidAuthority ?? peer?.authorityFingerprint
    const ended = session === undefined && (peer?.notAfterMs ?? 0) <= nowMs
    if (svidAuthority === fingerprint && !ended) named.push(`${record.spiffeId} ${record.sidecarId}`)
    connections += trust?.connections.get(fingerprint) ?? 0
  }
  return { sidecars: named, connections, control: identity.rootFingerprint === fingerprint }
}

/** Connected sidecars that have not said that they believe the present bundle. */
function sidecarsBehind({ home: { authority }, sessions }: AuthorityParts): readonly string[] {
  const { sequence } = authority.bundle.current
  return [...sessions.all()].filter((session) => isBehind(session, authority.trustDomain, sequence)).map(nameOf)
}

function orOnly(id: string): string | undefined {
  return id === '' ? undefined : id
}

function inUse(message: string): OutriderError<'ca-in-use'> {
  return new OutriderError('ca-in-use', message)
}

function some(names: readonly string[]): string {
  const [first, second] = names
  if (second === undefined) return first!
  return names.length === 2 ? `${first}, ${second}` : `${first}, ${second}, ...`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
