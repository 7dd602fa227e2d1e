import { randomBytes } from 'node:crypto'
import type { Watch } from '../lib/watch.ts'
import type { Credentials } from '../mtls/credentials.ts'
import { OwnBuckets } from '../ratelimit/buckets.ts'
import { Lockout } from '../ratelimit/lockout.ts'
import { RateLimiter } from '../ratelimit/limiter.ts'
import type { KeySetKeeper } from './authentication/key-sets.ts'
import type { Provers, TokenSources } from './authentication/open.ts'
import { UsedProofs, usedProofsMemory } from './authentication/used-proofs.ts'
import { DataPlane, type DataPlaneOptions } from './data-plane.ts'
import type { Snapshot } from './snapshot/snapshot.ts'
import { ownTallies } from './tally.ts'
import type { AuthorityUses } from './trust-report.ts'
import { digestWith } from './workers/sent.ts'
import type { OpenPorts, ServedConnection, ServedTlsFailure, Traffic } from './traffic.ts'

type OwnTrafficOptions = Omit<DataPlaneOptions, 'limiter' | 'lockout' | 'tallies' | 'planes'>

/** Traffic that is served by this thread, which does all the rest as well: nothing is shared and nothing is sent. */
export class OwnTraffic implements Traffic {
  readonly buckets: OwnBuckets
  readonly notReady = undefined
  readonly #options: OwnTrafficOptions
  readonly #plane: DataPlane
  readonly #lockout: Lockout
  #sources: TokenSources | undefined

  constructor(options: OwnTrafficOptions) {
    const { clock, config } = options
    this.#options = options
    this.buckets = new OwnBuckets(config.rateLimitMaxKeys)
    const limiter = new RateLimiter(() => clock.monotonic(), this.buckets)
    const lockout = new Lockout(() => clock.monotonic(), this.buckets)
    this.#lockout = lockout
    this.#plane = new DataPlane({ ...options, limiter, lockout, tallies: ownTallies, planes: 1 })
  }

  open(credentials: Watch<Credentials>, snapshot: Snapshot, keySets: KeySetKeeper): Promise<OpenPorts> {
    this.#sources = this.#sourcesOf(keySets)
    return this.#plane.open(credentials, snapshot, this.#sources, 'alone')
  }

  provers(): Provers {
    if (this.#sources === undefined) throw new TypeError('the ports are not open')
    return { sources: this.#sources, lockout: this.#lockout, apiKeyUses: this.#plane.apiKeyUses }
  }

  #sourcesOf(keySets: KeySetKeeper): TokenSources {
    const { clock } = this.#options
    return {
      keySets: keySets.states,
      wantKeys: (uri) => keySets.want(uri),
      usedProofs: new UsedProofs({
        memory: usedProofsMemory(),
        // Nobody else has it.
        lock: { enter: () => {}, leave: () => {} },
        digest: digestWith(randomBytes(16).toString('hex')),
        monotonic: () => clock.monotonic(),
      }),
    }
  }

  whenInForce(inForce: () => void): void {
    inForce()
  }

  async notLive(): Promise<undefined> {}

  async connections(): Promise<readonly ServedConnection[]> {
    return this.#plane.connections.list().map((connection) => ({ ...connection, worker: 1 }))
  }

  async tlsFailures(): Promise<readonly ServedTlsFailure[]> {
    return this.#plane.tlsFailures.list().map((failure) => ({ ...failure, worker: 1 }))
  }

  async authorityUses(): Promise<AuthorityUses> {
    return this.#plane.connections.authorityUses()
  }

  async takeApiKeyUses(): Promise<ReadonlyMap<string, number>> {
    return this.#plane.apiKeyUses.take()
  }

  async metrics(): Promise<readonly []> {
    return []
  }

  drain(): Promise<boolean> {
    return this.#plane.drain()
  }

  destroy(): Promise<void> {
    return this.#plane.destroy()
  }
}
