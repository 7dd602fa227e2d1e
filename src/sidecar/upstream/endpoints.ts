import { formatAddress } from '../../lib/address.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { Random } from '../../lib/random.ts'
import type { CompiledPolicy } from '../../policy/compile.ts'
import type { Destination } from '../../policy/destinations.ts'
import type { UpstreamPool } from './pool.ts'

/** One inbound listener of a workload that serves a service. */
export interface Endpoint {
  readonly address: string
  readonly pool: UpstreamPool
  /** Monotonic time until which it is not chosen while another can be: it could not be reached. */
  avoidUntilMs: number
}

export interface DialTarget {
  readonly host: string
  readonly port: number
  /** Who may serve here, read at each dial. */
  identities(): ReadonlySet<SpiffeId>
}

interface Entry {
  readonly endpoint: Endpoint
  identities: ReadonlySet<SpiffeId>
}

/**
 * The endpoints of every service in the policy, with their connections. They outlive a change of policy that does not concern
 * them; one that is gone finishes what it carries, one whose identities changed opens its connections anew.
 */
export class Endpoints {
  readonly #entries = new Map<string, Entry>()
  #byDestination = new Map<Destination, readonly Endpoint[]>()
  readonly #makePool: (target: DialTarget, service: string) => UpstreamPool

  constructor(makePool: (target: DialTarget, service: string) => UpstreamPool) {
    this.#makePool = makePool
  }

  of(destination: Destination): readonly Endpoint[] {
    return this.#byDestination.get(destination) ?? []
  }

  /** Brings the endpoints to what `policy` says. */
  update(policy: CompiledPolicy): void {
    const wanted = new Set<string>()
    const byDestination = new Map<Destination, readonly Endpoint[]>()
    for (const host of policy.destinations.values()) {
      for (const destination of host.values()) {
        if (byDestination.has(destination)) continue
        byDestination.set(destination, this.#resolve(destination, wanted))
      }
    }
    this.#byDestination = byDestination
    for (const [key, entry] of this.#entries) {
      if (wanted.has(key)) continue
      this.#entries.delete(key)
      entry.endpoint.pool.close()
    }
  }

  /** Our identity changed: every connection is opened anew, after what it carries now. */
  retire(): void {
    for (const { endpoint } of this.#entries.values()) endpoint.pool.retire()
  }

  destroy(): void {
    for (const { endpoint } of this.#entries.values()) endpoint.pool.destroy()
  }

  #resolve({ service, targetPort }: Destination, wanted: Set<string>): readonly Endpoint[] {
    const { namespace, name } = service.metadata
    const identities = new Set(service.spec.identities)
    const endpoints: Endpoint[] = []
    for (const { address, port, appPort } of service.spec.endpoints) {
      if (appPort !== targetPort) continue
      const key = `${namespace}/${name} ${formatAddress({ host: address, port })}`
      wanted.add(key)
      endpoints.push(this.#entry(key, address, port, identities, `${namespace}/${name}`).endpoint)
    }
    return endpoints
  }

  #entry(key: string, host: string, port: number, identities: ReadonlySet<SpiffeId>, service: string): Entry {
    const present = this.#entries.get(key)
    if (present !== undefined) {
      const changed = !sameSet(identities, present.identities)
      present.identities = identities
      if (changed) present.endpoint.pool.retire()
      return present
    }
    const pool = this.#makePool({ host, port, identities: () => entry.identities }, service)
    const endpoint: Endpoint = { address: formatAddress({ host, port }), pool, avoidUntilMs: 0 }
    const entry: Entry = { endpoint, identities }
    this.#entries.set(key, entry)
    return entry
  }
}

function sameSet<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item))
}

/**
 * The less loaded one of two drawn at random, among those that could be reached lately. When none could, the one whose
 * failure is the oldest: it has had the most time to come back, and is not the one that has just failed.
 */
export function choose(endpoints: readonly Endpoint[], nowMs: number, random: Random): Endpoint | undefined {
  if (endpoints.length <= 1) return endpoints[0]
  const good = endpoints.filter(({ avoidUntilMs }) => avoidUntilMs <= nowMs)
  if (good.length === 0) return endpoints.reduce((a, b) => (b.avoidUntilMs < a.avoidUntilMs ? b : a))
  const first = good[Math.floor(random() * good.length)]!
  const second = good[Math.floor(random() * good.length)]!
  return second.pool.load < first.pool.load ? second : first
}
