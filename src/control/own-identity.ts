import { generateKeyPairSync } from 'node:crypto'
import type { TrustBundleSet } from '../identity/bundle.ts'
import { type SpiffeId, spiffeIdOf } from '../identity/spiffe-id.ts'
import { loadSvid } from '../identity/svid.ts'
import { toPem } from '../identity/x509.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Watch } from '../lib/watch.ts'
import { WatchCell } from '../lib/watch.ts'
import { privateKeyPem, rootsPem } from '../rpc/peer.ts'
import type { ServerCredentials } from '../rpc/server.ts'
import type { Logger } from '../telemetry/log.ts'
import type { CertificateAuthority } from './ca/authority.ts'
import type { Store } from './store/store.ts'

/** Path of the identity that every control server of a trust domain has; a sidecar accepts no other. */
export const CONTROL_PATH = '/outrider/control'

const RETRY_MS = 60_000

/**
 * The control server's own SVID: key and certificate made in memory, made anew at half of their life, never written.
 */
export class OwnIdentity {
  readonly id: SpiffeId
  readonly #cell: WatchCell<ServerCredentials>
  readonly #authority: CertificateAuthority
  readonly #bundles: TrustBundleSet
  readonly #store: Store
  readonly #ttlMs: number
  readonly #clock: Clock
  readonly #log: Logger
  #renewal: Timer | undefined

  constructor(
    authority: CertificateAuthority,
    bundles: TrustBundleSet,
    store: Store,
    ttlMs: number,
    clock: Clock,
    log: Logger,
  ) {
    this.id = spiffeIdOf(authority.trustDomain, CONTROL_PATH)
    this.#authority = authority
    this.#bundles = bundles
    this.#store = store
    this.#ttlMs = ttlMs
    this.#clock = clock
    this.#log = log
    this.#cell = new WatchCell(this.#make())
  }

  get credentials(): Watch<ServerCredentials> {
    return this.#cell
  }

  close(): void {
    this.#renewal?.cancel()
  }

  #make(): ServerCredentials {
    const now = this.#clock.now()
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { chain, serial, notAfterMs } = this.#authority.issue({ id: this.id, publicKey }, this.#ttlMs, now)
    const svid = loadSvid(chain, privateKey, this.#bundles, now)
    this.#store.recordIssued({ serial, spiffeId: this.id, notAfterMs })
    this.#renewIn((notAfterMs - now) / 2)
    return {
      // With the root, which a sidecar compares with its pin at first contact.
      chainPem: toPem([...svid.chainDer, this.#authority.rootDer]),
      privateKeyPem: privateKeyPem(privateKey),
      rootsPem: rootsPem(this.#bundles),
      bundles: this.#bundles,
      issuers: [this.#authority.intermediateDer],
    }
  }

  #renewIn(delayMs: number): void {
    this.#renewal = this.#clock.after(delayMs, () => {
      try {
        this.#cell.set(this.#make())
      } catch (error) {
        this.#log.error({ error }, 'the control server could not renew its own certificate')
        this.#renewIn(RETRY_MS)
      }
    })
  }
}
