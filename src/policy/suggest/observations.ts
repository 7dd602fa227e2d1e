import type { SpiffeId } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import { parsePath } from '../match/path.ts'
import type { RecordedRequest } from '../replay/replayer.ts'
import { PathTemplates, type Seen } from './templates.ts'

/** Most paths of all callers together: what is held grows with them, and with nothing else. */
export const MAX_PATHS = 200_000
/** Most pairs of a caller and a callee, each with its kind of user and port. */
export const MAX_PAIRS = 50_000

/** What one caller, with one kind of user, asked one port of one workload for. */
export interface Observed {
  readonly workload: SpiffeId
  readonly caller: SpiffeId
  /** Whom its requests had beside the workload: a token of this issuer, an API key of this owner, or nobody. */
  readonly user: { readonly issuer: string } | { readonly owner: string } | undefined
  readonly port: number
  readonly paths: PathTemplates
  /** Connections without requests. */
  tcp: Seen | undefined
}

/** Gathers the requests that went well: allowed, and answered with a status below 400. */
export class Observations {
  readonly #pairs = new Map<string, Observed>()
  readonly #minSupport: number
  readonly #maxPaths: number
  #paths = 0
  taken = 0
  /** Requests that were left out, by the reason. */
  readonly leftOut = { denied: 0, failed: 0, anonymous: 0, 'a path or an issuer that no pattern can stand for': 0 }

  constructor(minSupport: number, maxPaths: number = MAX_PATHS) {
    this.#minSupport = minSupport
    this.#maxPaths = maxPaths
  }

  /** Throws `log-too-varied` when there is more than can be held. */
  add(recorded: RecordedRequest): void {
    const { workload, request, decided, status } = recorded
    const { principal, method, path, port, nowMs = 0 } = request
    if (decided === 'deny') this.leftOut.denied += 1
    else if (status < 100 || status >= 400) this.leftOut.failed += 1
    else if (principal.kind === 'anonymous') this.leftOut.anonymous += 1
    else if (method === undefined || path === undefined) {
      const observed = this.#pair(workload, principal.id, undefined, port)
      observed.tcp = { count: (observed.tcp?.count ?? 0) + 1, lastMs: Math.max(observed.tcp?.lastMs ?? 0, nowMs) }
      this.taken += 1
    } else if (!isPattern(path) || request.user?.tokens[0]?.issuer.includes('*') === true)
      this.leftOut['a path or an issuer that no pattern can stand for'] += 1
    else {
      const observed = this.#pair(workload, principal.id, userOf(recorded), port)
      if (observed.paths.add(path, method, nowMs)) this.#paths += 1
      if (this.#paths > this.#maxPaths)
        throw new OutriderError(
          'log-too-varied',
          `more than ${this.#maxPaths} different paths (MAX_PATHS): take a log of fewer workloads or of less time`,
        )
      this.taken += 1
    }
  }

  get list(): readonly Observed[] {
    return [...this.#pairs.values()]
  }

  #pair(workload: SpiffeId, caller: SpiffeId, user: Observed['user'], port: number): Observed {
    const key = JSON.stringify([workload, caller, user ?? null, port])
    const known = this.#pairs.get(key)
    if (known !== undefined) return known
    if (this.#pairs.size >= MAX_PAIRS)
      throw new OutriderError(
        'log-too-varied',
        `more than ${MAX_PAIRS} pairs of caller and callee (MAX_PAIRS): take a log of fewer workloads`,
      )
    const made: Observed = {
      workload,
      caller,
      user,
      port,
      paths: new PathTemplates(this.#minSupport),
      tcp: undefined,
    }
    this.#pairs.set(key, made)
    return made
  }
}

/** Does this very path, and nothing else, stand for itself in a rule? */
function isPattern(path: string): boolean {
  try {
    return parsePath(path).kind === 'exact'
  } catch (error) {
    if (error instanceof OutriderError) return false
    throw error
  }
}

function userOf({ request: { user } }: RecordedRequest): Observed['user'] {
  const token = user?.tokens[0]
  if (token !== undefined) return { issuer: token.issuer }
  return user?.apiKey === undefined ? undefined : { owner: user.apiKey.owner }
}
