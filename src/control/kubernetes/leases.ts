import type { ApiClient } from '../../kubernetes/client.ts'
import { ApiError } from '../../kubernetes/failure.ts'
import type { ClusterObject } from '../../kubernetes/objects.ts'
import { reflect, type Reflector } from '../../kubernetes/reflect.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import type { Logger } from '../../telemetry/log.ts'
import { mappingAt, textAt } from './fields.ts'
import { leases } from './types.ts'

export interface LeasesOptions {
  readonly client: ApiClient
  readonly namespace: string
  readonly serverName: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** A server that has not renewed its Lease for so long is gone. */
const LEASE_S = 60
const RENEW_MS = 15_000
const MAX_SERVERS = 1000
const LABEL = 'outrider.mesh/control-server'

interface Known {
  readonly renewTime: string
  /** When this renewal was first seen, by our own monotonic clock: those of others may be wrong. */
  readonly seenMs: number
}

/**
 * Which control servers there are: each renews a Lease of its own (coordination.k8s.io/v1), and looks at those of the others. Nobody leads.
 * Without the right to Leases nobody is ever taken for gone.
 */
export class Leases {
  readonly #options: LeasesOptions
  readonly #known = new Map<string, Known>()
  readonly #reflector: Reflector
  readonly #changed: () => void
  #listed = false
  #timer: Timer | undefined
  #closed = false
  #failure = ''

  /** `changed`: another server came or went. */
  constructor(options: LeasesOptions, changed: () => void) {
    const { client, namespace, clock, random, log } = options
    this.#options = options
    this.#changed = changed
    this.#reflector = reflect(
      client,
      { type: leases, namespace, labelSelector: LABEL, maxObjects: MAX_SERVERS, slim: slimLease },
      {
        replaced: (objects) => {
          const present = new Set(objects.map(({ metadata }) => metadata.name))
          for (const name of this.#known.keys()) if (!present.has(name)) this.#known.delete(name)
          for (const object of objects) this.#saw(object)
          this.#listed = true
          changed()
        },
        changed: (type, object) => {
          const { name } = object.metadata
          const isNew = !this.#known.has(name)
          if (type === 'put') this.#saw(object)
          else this.#known.delete(name)
          if (type === 'delete' || isNew) changed()
        },
        progressed: () => {},
        state: () => {},
      },
      { clock, random, log },
    )
    void this.#renew()
  }

  /** A server of this name is not here. False while that is not known, as when not even our own Lease is there. */
  isGone(server: string): boolean {
    const { serverName } = this.#options
    if (!this.#listed || server === serverName || !this.#known.has(serverName)) return false
    const known = this.#known.get(server)
    return known === undefined || this.#options.clock.monotonic() - known.seenMs > LEASE_S * 1000
  }

  /** The others whose Leases are in force. */
  get present(): readonly string[] {
    const now = this.#options.clock.monotonic()
    return [...this.#known]
      .filter(([name, { seenMs }]) => name !== this.#options.serverName && now - seenMs <= LEASE_S * 1000)
      .map(([name]) => name)
  }

  /** Ours is given back, so that the others need not wait for its end. */
  async release(): Promise<void> {
    if (this.#closed) return
    this.close()
    const { client, serverName, namespace } = this.#options
    // A server that does not get this said is found out by its Lease.
    await client.delete(leases, serverName, namespace).catch(() => false)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#reflector.close()
  }

  #saw({ metadata: { name }, ...object }: ClusterObject): void {
    const renewTime = textAt(mappingAt(object, 'spec'), 'renewTime') ?? ''
    if (this.#known.get(name)?.renewTime === renewTime) return
    this.#known.set(name, { renewTime, seenMs: this.#options.clock.monotonic() })
  }

  async #renew(): Promise<void> {
    const { client, namespace, serverName, clock, log } = this.#options
    const now = new Date(clock.now()).toISOString().replace('Z', '000Z')
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: serverName, namespace, labels: { [LABEL]: 'true' } },
      spec: { holderIdentity: serverName, leaseDurationSeconds: LEASE_S, renewTime: now },
    }
    try {
      await client.apply(leases, lease, { fieldManager: 'outrider-control', force: true })
      this.#failure = ''
    } catch (thrown) {
      if (this.#closed) return
      const failure = describeError(thrown)
      const severe = thrown instanceof ApiError && thrown.code === 'kubernetes-forbidden'
      if (failure !== this.#failure)
        log[severe ? 'error' : 'warn']({ error: failure }, 'the Lease of this server was not renewed')
      this.#failure = failure
    }
    if (this.#closed) return
    this.#timer = clock.after(RENEW_MS, () => {
      // Others may have gone without a word.
      this.#changed()
      void this.#renew()
    })
  }
}

function slimLease(lease: ClusterObject): ClusterObject {
  const { name, namespace, resourceVersion } = lease.metadata
  const { renewTime } = mappingAt(lease, 'spec')
  return {
    metadata: { name, ...(namespace && { namespace }), ...(resourceVersion && { resourceVersion }) },
    spec: { renewTime },
  }
}
