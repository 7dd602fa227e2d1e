import { createHash } from 'node:crypto'
import type { ApiClient } from '../../kubernetes/client.ts'
import { type ReflectEvents, reflect } from '../../kubernetes/reflect.ts'
import type { TrustDomain } from '../../identity/spiffe-id.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import type { Logger } from '../../telemetry/log.ts'
import { CertificateAuthority } from '../ca/certificate-authority.ts'
import type { HandedIn } from '../ca/handed-in.ts'
import type { CaHome } from '../ca/home.ts'
import { TextStorage } from '../ca/text-storage.ts'
import { CA_SECRET, type Kept, KeptSecret, secretType } from './kept-secret.ts'
import { isOutdated } from '../server-report.ts'
import { firstTexts, type StartOptions } from './first-ca.ts'
import { sameTexts, type Texts } from './secret-texts.ts'

export interface CaSecretOptions {
  readonly client: ApiClient
  /** Of the Secret, which is that of this server. */
  readonly namespace: string
  /** No other server has it. */
  readonly serverName: string
  readonly trustDomain: TrustDomain
  readonly given: HandedIn | undefined
  /** There was a CA before, whatever the Secret says: no other one is made. */
  readonly meshKnown: boolean
  /** Where the kubelet has mounted the Secret: read at a start while the API server cannot be reached. */
  readonly mounted: string | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** How often a write that others came before is tried again, when they changed nothing of the CA. */
const MAX_CONFLICTS = 8
const NOTE_PREFIX = 'outrider.mesh/sidecars.'
const RETRY = { initialMs: 250, maxMs: 30_000, jitter: 0.3 }

/**
 * The CA of all control servers of a cluster, in one Secret, which is the truth. Each server has a copy in memory and nowhere else. A change is
 * made on another copy, written in place of the version that it was made from, and in force here when it is stored. What other servers change is
 * heard of by a watch and read anew; what is damaged, empty or older than what is in force is not taken over.
 */
export class CaSecret implements CaHome {
  readonly shared = true
  readonly authority: CertificateAuthority
  readonly #options: CaSecretOptions
  readonly #kept: KeptSecret
  readonly #fault: WatchCell<OutriderError | undefined> = new WatchCell<OutriderError | undefined>(undefined)
  readonly #backoff: Backoff
  readonly #reflection: ReturnType<typeof reflect>
  /** In force here. */
  #texts: Texts
  #heard: ReadonlyMap<string, string> = new Map()
  readonly #note: string
  /** Reads and writes are one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #refreshing = false
  #retry: Timer | undefined
  #closed = false

  private constructor(authority: CertificateAuthority, texts: Texts, kept: KeptSecret, options: CaSecretOptions) {
    this.authority = authority
    this.#texts = texts
    this.#kept = kept
    this.#options = options
    this.#note = noteKey(options.serverName)
    const { client, namespace, clock, random, log } = options
    this.#backoff = new Backoff(RETRY, random)
    const events: ReflectEvents = {
      replaced: () => this.#refresh(),
      changed: () => this.#refresh(),
      progressed: () => {},
      state: (state, error) => {
        if (state === 'broken') log.warn({ error }, 'changes of the CA by other control servers are not heard of')
      },
    }
    const fieldSelector = `metadata.name=${CA_SECRET}`
    this.#reflection = reflect(
      client,
      { type: secretType, namespace, fieldSelector, maxObjects: 1, slim: ({ metadata }) => ({ metadata }) },
      events,
      { clock, random, log },
    )
  }

  /**
   * Takes the CA of the Secret into use, or makes one where the Secret is empty. Throws `ca-secret-missing`, `ca-secret-empty`,
   * `ca-write-failed`, the error of the API server, and as `CertificateAuthority.open`.
   */
  static async open(options: CaSecretOptions): Promise<CaSecret> {
    const { client, namespace, trustDomain, clock, given } = options
    const kept = new KeptSecret(client, namespace)
    const start: StartOptions = { ...options, kept }
    const texts = await firstTexts(start)
    // Renewed here alone, if that is due: `renewSigners` will have it kept.
    const authority = CertificateAuthority.openIn(new TextStorage(kept.where, texts), trustDomain, clock, given)
    return new CaSecret(authority, texts, kept, options)
  }

  /** Why what is in force here may not be what is kept; undefined while nothing is known to be wrong. */
  get fault(): Watch<OutriderError | undefined> {
    return this.#fault
  }

  change<T>(step: (authority: CertificateAuthority) => T): Promise<T> {
    return this.#inTurn(async () => {
      const base = await this.#read()
      if (!sameTexts(base.texts, this.#texts)) {
        // Whoever asked has looked at what was in force.
        this.#adopt(base.texts)
        throw changedMeanwhile()
      }
      return this.#perform(base, step, false)
    })
  }

  async renewSigners(): Promise<void> {
    // Whatever is opened is renewed.
    await this.#inTurn(async () => this.#perform(await this.#read(), () => {}, true))
  }

  get heard(): ReadonlyMap<string, string> {
    return this.#heard
  }

  tell(report: string | undefined): Promise<void> {
    return this.#inTurn(async () => {
      for (let attempt = 0; attempt < MAX_CONFLICTS; attempt += 1) {
        const base = await this.#kept.read()
        const { annotations = {} } = base.secret.metadata
        const now = this.#options.clock.now()
        const others = Object.entries(annotations).filter(
          ([key, text]) => !key.startsWith(NOTE_PREFIX) || (key !== this.#note && !isOutdated(text, now)),
        )
        const notes = Object.fromEntries([...others, ...(report === undefined ? [] : [[this.#note, report] as const])])
        if (await this.#kept.note(base, notes)) return
      }
      throw new OutriderError('ca-write-failed', `${this.#kept.where} was changed ${MAX_CONFLICTS} times meanwhile`)
    })
  }

  async catchUp(): Promise<void> {
    this.#refresh()
    await this.#turn
  }

  close(): void {
    this.#closed = true
    this.#retry?.cancel()
    this.#reflection.close()
  }

  /** `again`: also on what others have changed meanwhile. */
  async #perform<T>(first: Kept, step: (authority: CertificateAuthority) => T, again: boolean): Promise<T> {
    const { trustDomain, clock } = this.#options
    let base = first
    for (let attempt = 0; attempt < MAX_CONFLICTS; attempt += 1) {
      // What is damaged or older than what is in force is not built on.
      if (!sameTexts(base.texts, this.#texts)) this.#adopt(base.texts)
      const draft = new TextStorage(this.#kept.where, base.texts)
      const outcome = step(CertificateAuthority.openIn(draft, trustDomain, clock))
      if (sameTexts(draft.texts, base.texts) || (await this.#kept.write(base, draft.texts)) === 'stored') {
        if (!sameTexts(draft.texts, this.#texts)) this.#adopt(draft.texts)
        return outcome
      }
      const now = await this.#read()
      // The same CA: only something else of the Secret was changed, such as a label.
      if (!again && !sameTexts(now.texts, base.texts)) {
        this.#adopt(now.texts)
        throw changedMeanwhile()
      }
      base = now
    }
    throw new OutriderError('ca-write-failed', `${this.#kept.where} was changed ${MAX_CONFLICTS} times meanwhile`, {
      source: 'dependency',
      retryable: true,
    })
  }

  /** Reads what is kept and takes it over, soon: as often as there is word of a change, and not more than once at a time. */
  #refresh(): void {
    if (this.#refreshing || this.#closed) return
    this.#refreshing = true
    this.#retry?.cancel()
    void this.#inTurn(async () => {
      this.#refreshing = false
      if (this.#closed) return
      try {
        const base = await this.#kept.read()
        this.#hear(base)
        if (base.texts.size === 0) await this.#restore(base)
        else if (!sameTexts(base.texts, this.#texts)) this.#adoptFromOthers(base.texts)
        this.#backoff.reset()
        if (this.#fault.current !== undefined) {
          this.#options.log.info({}, 'the CA in force is the one that is kept again')
          this.#fault.set(undefined)
        }
      } catch (thrown) {
        this.#failed(thrown)
      }
    })
  }

  /** Somebody emptied the Secret. A new server would be without a CA, and the mesh in pieces. */
  async #restore(base: Kept): Promise<void> {
    const { log } = this.#options
    if ((await this.#kept.write(base, this.#texts)) === 'conflict') {
      // Another server was first: its copy is what counts.
      const now = await this.#kept.read()
      if (!sameTexts(now.texts, this.#texts)) this.#adopt(now.texts)
      return
    }
    log.warn({ sequence: this.#sequence }, `${this.#kept.where} was emptied: the CA in force was written back`)
  }

  #failed(thrown: unknown): void {
    if (this.#closed) return
    const { clock, log } = this.#options
    const known = this.#fault.current
    const error =
      thrown instanceof OutriderError ? thrown : new OutriderError('ca-secret-unusable', describeError(thrown))
    const delayMs = this.#backoff.next()
    this.#retry?.cancel()
    this.#retry = clock.after(delayMs, () => this.#refresh())
    if (known !== undefined && known.code === error.code && known.message === error.message) return
    log.error({ error, sequence: this.#sequence }, 'the CA that is kept cannot be used: the one in force goes on')
    this.#fault.set(error)
  }

  #hear({ secret }: Kept): void {
    const notes = Object.entries(secret.metadata.annotations ?? {})
    this.#heard = new Map(notes.filter(([key]) => key.startsWith(NOTE_PREFIX) && key !== this.#note))
  }

  #adoptFromOthers(texts: Texts): void {
    const before = this.#sequence
    this.#adopt(texts)
    if (before !== this.#sequence)
      this.#options.log.warn({ sequence: this.#sequence }, 'the trust bundle was changed by another control server')
  }

  #adopt(texts: Texts): void {
    this.authority.adopt(new TextStorage(this.#kept.where, texts))
    this.#texts = texts
  }

  /** Throws `ca-write-failed` when the API server does not answer: nothing was changed. */
  async #read(): Promise<Kept> {
    try {
      return await this.#kept.read()
    } catch (cause) {
      if (cause instanceof OutriderError && cause.code === 'ca-secret-missing') throw cause
      throw new OutriderError(
        'ca-write-failed',
        `${this.#kept.where} cannot be read, so nothing was changed: ${describeError(cause)}`,
        { source: 'dependency', retryable: true, cause },
      )
    }
  }

  get #sequence(): number {
    return this.authority.bundle.current.sequence
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return result
  }
}

/** Of the note of a server on the Secret. Its name can be longer than a key. */
function noteKey(serverName: string): string {
  return `${NOTE_PREFIX}${createHash('sha256').update(serverName).digest('hex').slice(0, 16)}`
}

function changedMeanwhile(): OutriderError<'ca-changed-meanwhile'> {
  return new OutriderError(
    'ca-changed-meanwhile',
    'another control server has changed the CA: look at "outrider ca status" and decide anew',
  )
}
