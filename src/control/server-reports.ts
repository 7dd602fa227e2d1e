import type { Clock, Timer } from '../lib/clock.ts'
import { describeError } from '../lib/errors.ts'
import type { Logger } from '../telemetry/log.ts'
import type { CaHome } from './ca/home.ts'
import type { OwnIdentity } from './own-identity.ts'
import type { Session } from './publish/session.ts'
import type { Sessions } from './publish/sessions.ts'
import { BUSY_MS, isOutdated, parseReport, QUIET_MS, type RootUse, type ServerReport } from './server-report.ts'

export interface ReportParts {
  readonly home: CaHome
  readonly sessions: Sessions
  readonly identity: OwnIdentity
  readonly serverName: string
  /** Whether another server is known to be gone: what it told counts no more. */
  readonly isGone: (server: string) => boolean
  /** The other servers that are known to be there. */
  readonly present: () => readonly string[]
  readonly clock: Clock
  readonly log: Logger
}

/** How often it is looked whether there is something new to tell. */
const LOOK_MS = 2_000
/** After a failure. */
const RETRY_MS = 10_000
const MAX_NAMED = 3
const MAX_NAME = 256
/** A stop waits no longer for the others to be told. */
const LEAVE_MS = 2_000

/**
 * Tells the other servers of the same CA about the sidecars that are connected here, and reads what they tell: a step of the CA at one of
 * them would else cut off the sidecars of all others unasked.
 */
export class ServerReports {
  readonly #parts: ReportParts
  readonly #unsubscribe: () => void
  #timer: Timer | undefined
  #told: ServerReport | undefined
  #telling = false
  #failedAtMs = Number.NEGATIVE_INFINITY
  #failed = false
  #closed = false

  constructor(parts: ReportParts) {
    this.#parts = parts
    this.#unsubscribe = parts.home.authority.bundle.subscribe(() => this.#look())
    if (!parts.home.shared) this.#closed = true
    else this.#arm()
    this.#look()
  }

  /** Of the servers that are not known to be gone. */
  get others(): readonly ServerReport[] {
    const { home, clock, isGone } = this.#parts
    return [...home.heard.values()].flatMap((text) => {
      const report = isOutdated(text, clock.now()) ? undefined : parseReport(text)
      return report === undefined || isGone(report.server) ? [] : [report]
    })
  }

  /** Servers that are there, and have told nothing that can be read or is of this hour: what depends on what there is not known. */
  get silent(): readonly string[] {
    const heard = new Set(this.others.map(({ server }) => server))
    return this.#parts.present().filter((server) => !heard.has(server))
  }

  /** Nobody is connected here any more. Waits a little for that to be known, and does not reject. */
  async leave(): Promise<void> {
    this.close()
    const { home, clock } = this.#parts
    if (!home.shared) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = clock.after(LEAVE_MS, resolve)
    await Promise.race([home.tell(undefined).catch(() => {}), promise])
    timer.cancel()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#unsubscribe()
  }

  #arm(): void {
    this.#timer = this.#parts.clock.after(LOOK_MS, () => {
      this.#look()
      this.#arm()
    })
  }

  #look(): void {
    if (this.#telling || this.#closed || this.#parts.clock.monotonic() - this.#failedAtMs < RETRY_MS) return
    const report = reportOf(this.#parts)
    const told = this.#told
    const agoMs = told === undefined ? Number.POSITIVE_INFINITY : report.atMs - told.atMs
    const busy = this.#parts.home.authority.standings.length > 1
    const news = told === undefined || told.sequence !== report.sequence || (busy && isNews(told, report))
    if (news || agoMs >= (busy ? BUSY_MS : QUIET_MS)) void this.#tell(report)
  }

  async #tell(report: ServerReport): Promise<void> {
    const { home, log } = this.#parts
    this.#telling = true
    try {
      await home.tell(JSON.stringify(report))
      this.#told = report
      this.#failed = false
    } catch (error) {
      if (!this.#failed && !this.#closed)
        log.warn(
          { error: describeError(error) },
          'other control servers could not be told about the sidecars of this one',
        )
      this.#failed = true
      this.#failedAtMs = this.#parts.clock.monotonic()
    }
    this.#telling = false
  }
}

function isNews(one: ServerReport, other: ServerReport): boolean {
  return JSON.stringify({ ...one, atMs: 0 }) !== JSON.stringify({ ...other, atMs: 0 })
}

function reportOf({ home, sessions, identity, serverName: server, clock }: ReportParts): ServerReport {
  const { authority } = home
  const { sequence } = authority.bundle.current
  const all = [...sessions.all()]
  const behind = all.filter((session) => isBehind(session, authority.trustDomain, sequence))
  const uses = authority.standings.map(({ authority: { fingerprint } }) => {
    const use: RootUse = {
      sidecars: all.filter(({ trust, peer }) => (trust?.svidAuthority ?? peer.authorityFingerprint) === fingerprint)
        .length,
      connections: all.reduce((sum, { trust }) => sum + (trust?.connections.get(fingerprint) ?? 0), 0),
      control: identity.rootFingerprint === fingerprint,
    }
    return [fingerprint, use] as const
  })
  return {
    server,
    atMs: clock.now(),
    sequence,
    connected: all.length,
    behind: behind.length,
    names: behind.slice(0, MAX_NAMED).map((session) => nameOf(session).slice(0, MAX_NAME)),
    roots: Object.fromEntries(uses),
  }
}

export function nameOf({ peer, sidecarId }: Session): string {
  return `${peer.id} ${sidecarId}`
}

/** Whether it has not said that it believes the bundle with this sequence. */
export function isBehind({ trust }: Session, trustDomain: string, sequence: number): boolean {
  return (trust?.sequences.get(trustDomain) ?? 0) < sequence
}
