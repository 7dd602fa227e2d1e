/** What a control server tells the others of the same CA: whose sidecars would be cut off by a step that another one is asked for. */
export interface ServerReport {
  readonly server: string
  /** When it was made. */
  readonly atMs: number
  /** Of the trust bundle that is in force there. */
  readonly sequence: number
  /** Connected sidecars. */
  readonly connected: number
  /** Those that have not said that they believe that bundle. */
  readonly behind: number
  /** Some of them. */
  readonly names: readonly string[]
  /** By the fingerprint of a root: what ends at it there. */
  readonly roots: Readonly<Record<string, RootUse>>
}

export interface RootUse {
  /** Connected sidecars whose SVID does. */
  readonly sidecars: number
  /** Connections that these have reported. */
  readonly connections: number
  /** The certificate of the server itself does. */
  readonly control: boolean
}

/** A server tells at least so often, while there is one root; and while there are more. */
export const QUIET_MS: number = 5 * 60_000
export const BUSY_MS: number = 30_000
/** A server that has not told for so long is gone: what it told counts no more. */
const OUTDATED_MS = 16 * 60_000

/** undefined: it is no report. Somebody else may have written it. */
export function parseReport(text: string): ServerReport | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isReport(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether it counts no more: from a server that is gone, or no report. */
export function isOutdated(text: string, nowMs: number): boolean {
  const report = parseReport(text)
  return report === undefined || Math.abs(nowMs - report.atMs) > OUTDATED_MS
}

function isReport(value: unknown): value is ServerReport {
  if (!isRecord(value)) return false
  const { server, names, roots } = value
  return (
    typeof server === 'string' &&
    ['atMs', 'sequence', 'connected', 'behind'].every((field) => isCount(value[field])) &&
    Array.isArray(names) &&
    names.every((name) => typeof name === 'string') &&
    isRecord(roots) &&
    Object.values(roots).every(isRootUse)
  )
}

function isRootUse(value: unknown): boolean {
  return (
    isRecord(value) &&
    isCount(value['sidecars']) &&
    isCount(value['connections']) &&
    typeof value['control'] === 'boolean'
  )
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
