import { generateKeyPairSync } from 'node:crypto'
import type { TrustBundleSet } from '../identity/bundle.ts'
import { controlIdOf, type SpiffeId } from '../identity/spiffe-id.ts'
import { loadSvid } from '../identity/svid.ts'
import { toPem } from '../identity/x509.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Watch } from '../lib/watch.ts'
import { WatchCell } from '../lib/watch.ts'
import { privateKeyPem, rootsPem } from '../rpc/peer.ts'
import type { ServerCredentials } from '../rpc/server.ts'
import type { AuditLog } from '../telemetry/audit.ts'
import type { Logger } from '../telemetry/log.ts'
import type { CertificateAuthority } from './ca/certificate-authority.ts'
import type { Store } from './store/store.ts'

const RETRY_MS = 60_000

/**
 * The control server's own SVID: key and certificate made in memory, never written; made anew at half of its life, and when the
 * authority that it is from is given up. Follows the bundles.
 */
export class OwnIdentity {
  readonly id: SpiffeId
  readonly #cell: WatchCell<ServerCredentials>
  readonly #authority: CertificateAuthority
  readonly #bundles: Watch<TrustBundleSet>
  readonly #store: Store
  readonly #audit: AuditLog
  readonly #ttlMs: number
  readonly #clock: Clock
  readonly #log: Logger
  readonly #unsubscribe: () => void
  #made: Made
  #renewal: Timer | undefined

  constructor(
    authority: CertificateAuthority,
    bundles: Watch<TrustBundleSet>,
    store: Store,
    audit: AuditLog,
    ttlMs: number,
    clock: Clock,
    log: Logger,
  ) {
    this.id = controlIdOf(authority.trustDomain)
    this.#authority = authority
    this.#bundles = bundles
    this.#store = store
    this.#audit = audit
    this.#ttlMs = ttlMs
    this.#clock = clock
    this.#log = log
    this.#made = this.#make()
    this.#cell = new WatchCell(this.#credentials())
    this.#unsubscribe = bundles.subscribe(() => {
      if (this.#made.from !== this.#authority.elder.fingerprint) this.#renew()
      else this.#cell.set(this.#credentials())
    })
  }

  get credentials(): Watch<ServerCredentials> {
    return this.#cell
  }

  /** SHA-256 of the root that it is shown with, which join tokens pin. */
  get rootFingerprint(): string {
    return this.#made.from
  }

  close(): void {
    this.#renewal?.cancel()
    this.#unsubscribe()
  }

  #make(): Made {
    const now = this.#clock.now()
    const { elder } = this.#authority
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { chain, serial, notAfterMs } = this.#authority.issueFrom(elder, { id: this.id, publicKey }, this.#ttlMs, now)
    const svid = loadSvid(chain, privateKey, this.#bundles.current, now)
    const issued = { spiffeId: this.id, serial, notAfter: new Date(notAfterMs).toISOString() }
    this.#audit.record({ event: 'certificate-issued', how: 'own', source: this.id, ...issued })
    this.#store.recordIssued({ serial, spiffeId: this.id, notAfterMs })
    this.#renewIn((notAfterMs - now) / 2)
    // With the root, which a sidecar compares with its pin at first contact.
    const chainPem = toPem([...svid.chainDer, elder.root.der])
    return { from: elder.fingerprint, chainPem, privateKeyPem: privateKeyPem(privateKey) }
  }

  #credentials(): ServerCredentials {
    const { chainPem, privateKeyPem } = this.#made
    const bundles = this.#bundles.current
    return { chainPem, privateKeyPem, rootsPem: rootsPem(bundles), bundles, issuers: this.#authority.issuers }
  }

  #renew(): void {
    try {
      this.#made = this.#make()
    } catch (error) {
      this.#log.error({ error }, 'the control server could not renew its own certificate')
      this.#renewIn(RETRY_MS)
    }
    this.#cell.set(this.#credentials())
  }

  #renewIn(delayMs: number): void {
    this.#renewal?.cancel()
    this.#renewal = this.#clock.after(delayMs, () => this.#renew())
  }
}

/** What one key pair was made for. */
interface Made {
  /** SHA-256 of the root. */
  readonly from: string
  readonly chainPem: string
  readonly privateKeyPem: string
}
