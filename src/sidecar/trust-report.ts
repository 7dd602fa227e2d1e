import type { Clock, Timer } from '../lib/clock.ts'
import { trustDomainOf } from '../identity/spiffe-id.ts'
import type { Watch } from '../lib/watch.ts'
import { timestampOf } from '../lib/protobuf-time.ts'
import type { Credentials } from '../mtls/credentials.ts'
import type { TrustReport } from '../wire/outrider/policy/v1/TrustReport.ts'

/** Open connections by the root that the SVID of one side ends at: SHA-256, hexadecimal. */
export type AuthorityUses = ReadonlyMap<string, number>

export interface TrustReporterOptions {
  readonly credentials: Watch<Credentials>
  readonly uses: () => Promise<AuthorityUses>
  readonly send: (report: TrustReport) => void
  readonly clock: Clock
  readonly onFailed: (thrown: unknown) => void
}

/** While a root is being replaced, how often connections are counted. */
const COUNT_EVERY_MS = 1000

/**
 * Tells the control server which bundles this sidecar believes and which roots it still depends on, so that a root can be given up
 * when nobody needs it. Only while there is more than one root are connections counted.
 */
export class TrustReporter {
  readonly #options: TrustReporterOptions
  readonly #unsubscribe: () => void
  #timer: Timer | undefined
  #sent = ''
  #reporting = false
  /** Something changed while a report was being made. */
  #again = false
  #closed = false

  constructor(options: TrustReporterOptions) {
    this.#options = options
    this.#unsubscribe = options.credentials.subscribe(() => void this.#report())
    void this.#report()
  }

  close(): void {
    this.#closed = true
    this.#unsubscribe()
    this.#timer?.cancel()
  }

  async #report(): Promise<void> {
    if (this.#reporting) {
      this.#again = true
      return
    }
    this.#reporting = true
    this.#timer?.cancel()
    const { clock, onFailed } = this.#options
    try {
      do {
        this.#again = false
        await this.#reportOnce()
      } while (this.#again && !this.#closed)
    } catch (thrown) {
      onFailed(thrown)
    }
    this.#reporting = false
    if (this.#isReplacing && !this.#closed) this.#timer = clock.after(COUNT_EVERY_MS, () => void this.#report())
  }

  get #isReplacing(): boolean {
    const { svid, bundles } = this.#options.credentials.current
    return (bundles.get(trustDomainOf(svid.id))?.authorities.length ?? 0) > 1
  }

  async #reportOnce(): Promise<void> {
    const { credentials, uses, send, clock } = this.#options
    const { svid, bundles } = credentials.current
    const counted = this.#isReplacing ? await uses() : new Map<string, number>()
    if (this.#closed) return
    // Roots of federated trust domains are not the control server's to give up, and there may be more of them than it reads.
    const own = bundles.get(trustDomainOf(svid.id))?.authorities ?? []
    const ownUses = own.flatMap(({ fingerprint }) => {
      const connections = counted.get(fingerprint)
      return connections === undefined ? [] : [{ authority: Buffer.from(fingerprint, 'hex'), connections }]
    })
    const report = {
      bundles: [...bundles.values()].map(({ trustDomain, sequence }) => ({ trustDomain, sequence })),
      svidAuthority: Buffer.from(svid.authorityFingerprint, 'hex'),
      uses: ownUses,
    }
    const text = JSON.stringify(report)
    if (text === this.#sent) return
    this.#sent = text
    send({ ...report, at: timestampOf(clock.now()) })
  }
}
