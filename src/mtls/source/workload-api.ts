import { createPrivateKey, type KeyObject } from 'node:crypto'
import { parseBundle, type TrustBundle, type TrustBundleSet } from '../../identity/bundle.ts'
import { parseJwtBundleDocument } from '../../identity/bundle-document.ts'
import { parseSpiffeId, pathOf, type SpiffeId, type TrustDomain, trustDomainOf } from '../../identity/spiffe-id.ts'
import { loadSvid } from '../../identity/svid.ts'
import { splitDer } from '../../identity/x509.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import type { JWTBundlesResponse__Output } from '../../wire/JWTBundlesResponse.ts'
import type { X509SVIDResponse__Output } from '../../wire/X509SVIDResponse.ts'
import type { Credentials } from '../credentials.ts'
import { type CredentialsSource, type SourceEvents, unlessSame } from './source.ts'

/** A stream of an endpoint, without the gRPC library. `onEnd` is called once. */
export interface UpdateStream<Message> {
  onMessage(listener: (message: Message) => void): void
  onEnd(listener: (error: OutriderError | undefined) => void): void
  cancel(): void
}

export interface WorkloadApiSourceOptions extends SourceEvents {
  readonly fetchX509Svid: () => UpdateStream<X509SVIDResponse__Output>
  readonly fetchJwtBundles: () => UpdateStream<JWTBundlesResponse__Output>
  readonly clock: Clock
  readonly random: Random
  /** A stream ended, and the next is opened after so long; `undefined`: none is. */
  readonly onLost: (call: string, error: unknown, retryInMs: number | undefined) => void
  /** Bundles of other trust domains that cannot be read: those are not trusted, the rest is. */
  readonly onBundleRefused: (trustDomain: string, error: unknown) => void
}

const RETRY = { initialMs: 500, maxMs: 30_000, jitter: 0.3 }

/**
 * Credentials from a SPIFFE Workload API, such as a SPIRE agent's: the first SVID that it gives is ours, and stays so under this SPIFFE
 * ID. Each message replaces everything; one that cannot be used changes nothing. SPIFFE Workload API standard,
 * sections 4 and 5.
 */
export class WorkloadApiSource implements CredentialsSource {
  readonly #options: WorkloadApiSourceOptions
  readonly #cell: WatchCell<Credentials | undefined> = new WatchCell<Credentials | undefined>(undefined)
  readonly #streams: readonly { close(): void }[]
  #x509: X509SVIDResponse__Output | undefined
  #jwt: JWTBundlesResponse__Output | undefined
  #sequence = 0

  private constructor(options: WorkloadApiSourceOptions, onFatal: (error: unknown) => void) {
    this.#options = options
    this.#streams = [
      follow('FetchX509SVID', options.fetchX509Svid, options, {
        onMessage: (message) => {
          this.#x509 = message
          this.#take()
        },
        // Of use before the first SVID only; later on an endpoint that was replaced may come back.
        isOver: (error) => {
          if (FATAL.has(error.code)) onFatal(error)
          return false
        },
      }),
      follow('FetchJWTBundles', options.fetchJwtBundles, options, {
        onMessage: (message) => {
          this.#jwt = message
          if (this.#x509 !== undefined) this.#take()
        },
        // An endpoint may have no JWT-SVIDs.
        isOver: (error) => FATAL.has(error.code),
      }),
    ]
  }

  /**
   * Waits for the first SVID. Rejects when the endpoint says that it never will give one (INVALID_ARGUMENT, UNIMPLEMENTED), and
   * with the reason of `signal`.
   */
  static async open(options: WorkloadApiSourceOptions, signal: AbortSignal): Promise<WorkloadApiSource> {
    signal.throwIfAborted()
    const first = Promise.withResolvers<void>()
    const source = new WorkloadApiSource(options, first.reject)
    const onAbort = (): void => first.reject(signal.reason)
    const unsubscribe = source.#cell.subscribe(() => first.resolve())
    signal.addEventListener('abort', onAbort)
    try {
      await first.promise
      return source
    } catch (error) {
      source.close()
      throw error
    } finally {
      unsubscribe()
      signal.removeEventListener('abort', onAbort)
    }
  }

  get credentials(): Watch<Credentials> {
    const cell = this.#cell
    return {
      get current() {
        if (cell.current === undefined) throw new TypeError('there is no SVID before open has resolved')
        return cell.current
      },
      subscribe: (listener) => cell.subscribe((value) => value !== undefined && listener(value)),
    }
  }

  close(): void {
    for (const stream of this.#streams) stream.close()
  }

  #take(): void {
    const present = this.#cell.current
    try {
      const { id, chain, privateKey, bundles } = this.#read()
      if (present !== undefined && id !== present.svid.id) {
        throw new OutriderError('svid-id-unexpected', `the SVID is for ${id}; this process is ${present.svid.id}`)
      }
      const svid = loadSvid(chain, privateKey, bundles, this.#options.clock.now())
      if (svid.id !== id) {
        throw new OutriderError('svid-id-unexpected', `the SVID is for ${svid.id}; ${id} is what the message says`)
      }
      const next = Object.freeze({ svid: unlessSame(svid, present?.svid), bundles })
      this.#cell.set(next)
      if (present !== undefined) this.#options.onChanged(next)
    } catch (error) {
      this.#options.onRefused(error)
    }
  }

  #read(): { id: SpiffeId; chain: readonly Buffer[]; privateKey: KeyObject; bundles: TrustBundleSet } {
    const [first] = this.#x509?.svids ?? []
    if (first === undefined) throw incomplete('no SVID')
    const { spiffeId, x509Svid, x509SvidKey, bundle } = first
    if (x509Svid.length === 0 || x509SvidKey.length === 0 || bundle.length === 0) {
      throw incomplete(`an SVID for ${JSON.stringify(spiffeId)} without its certificate, key or bundle`)
    }
    const id = parseSpiffeId(spiffeId)
    const own = trustDomainOf(id)
    // The API has no sequence: what came later is newer.
    this.#sequence += 1
    const bundles = new Map([[own, this.#bundle(own, bundle)]])
    for (const [name, roots] of Object.entries(this.#x509?.federatedBundles ?? {})) {
      try {
        const trustDomain = namedTrustDomain(name)
        if (!bundles.has(trustDomain)) bundles.set(trustDomain, this.#bundle(trustDomain, roots))
      } catch (error) {
        this.#options.onBundleRefused(name, error)
      }
    }
    return { id, chain: splitDer(x509Svid), privateKey: privateKeyOf(x509SvidKey), bundles }
  }

  #bundle(trustDomain: TrustDomain, roots: Uint8Array): TrustBundle {
    const parts = { trustDomain, authorities: splitDer(roots), sequence: this.#sequence }
    const document = this.#jwt?.bundles[`spiffe://${trustDomain}`]
    if (document === undefined) return parseBundle(parts)
    try {
      return parseBundle({ ...parts, jwtAuthorities: parseJwtBundleDocument(document).jwtAuthorities })
    } catch (error) {
      this.#options.onBundleRefused(trustDomain, error)
      return parseBundle(parts)
    }
  }
}

interface Follower<Message> {
  readonly onMessage: (message: Message) => void
  /** Whether no other stream is to be opened after one that ended with this. */
  readonly isOver: (error: OutriderError) => boolean
}

/** Keeps one stream open. */
function follow<Message>(
  call: string,
  open: () => UpdateStream<Message>,
  { clock, random, onLost }: Pick<WorkloadApiSourceOptions, 'clock' | 'random' | 'onLost'>,
  { onMessage, isOver }: Follower<Message>,
): { close(): void } {
  const backoff = new Backoff(RETRY, random)
  let closed = false
  let stream: UpdateStream<Message> | undefined
  let retry: Timer | undefined
  const connect = (): void => {
    const opened = open()
    stream = opened
    opened.onMessage((message) => {
      if (closed) return
      backoff.reset()
      onMessage(message)
    })
    opened.onEnd((error) => {
      if (closed) return
      const retryInMs = error !== undefined && isOver(error) ? undefined : Math.round(backoff.next())
      if (retryInMs !== undefined) retry = clock.after(retryInMs, connect)
      onLost(call, error, retryInMs)
    })
  }
  connect()
  return {
    close: () => {
      closed = true
      retry?.cancel()
      stream?.cancel()
    },
  }
}

/** SPIFFE Workload Endpoint standard, appendix A: not to be tried again. */
const FATAL: ReadonlySet<string> = new Set(['rpc-invalid-argument', 'rpc-unimplemented'])

function namedTrustDomain(name: string): TrustDomain {
  const id = parseSpiffeId(name)
  if (pathOf(id) !== '') throw incomplete(`a bundle for ${id}, which is no trust domain`)
  return trustDomainOf(id)
}

function privateKeyOf(der: Uint8Array): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
  } catch {
    // Without the cause: nothing of a key belongs into a log.
    throw new OutriderError('private-key-malformed', 'the private key of the SVID is no PKCS#8 that OpenSSL reads')
  }
}

function incomplete(what: string): OutriderError<'workload-api-incomplete'> {
  return new OutriderError('workload-api-incomplete', `the Workload API sent ${what}`)
}
