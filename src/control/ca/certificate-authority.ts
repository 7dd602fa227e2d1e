import { createPublicKey, type KeyObject } from 'node:crypto'
import { parseBundle, type TrustBundle } from '../../identity/bundle.ts'
import type { TrustDomain } from '../../identity/spiffe-id.ts'
import type { Clock } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import { type Authority, authorityId, issue, makeAuthority, opened, withFreshSigner } from './authority.ts'
import type { CertificateRequest, IssuedCertificate } from './certify.ts'
import { type HandedIn, handedIn } from './handed-in.ts'
import { FolderStorage } from './folder-storage.ts'
import {
  type AuthorityEntry,
  type AuthorityIndex,
  type AuthorityState,
  type AuthorityStorage,
  MAX_AUTHORITIES,
} from './storage.ts'

/** An authority and where it is in its life. */
export interface Standing extends Pick<AuthorityEntry, 'state' | 'sinceMs'> {
  readonly authority: Authority
}

/**
 * The CA of one trust domain: its authorities, exactly one of which signs. A root is replaced in four steps, so that nobody
 * ever meets an SVID that he cannot verify: `prepare` makes it believed, `activate` lets it sign, `taint` makes all give up what the old one
 * signed, `revoke` ends the belief. What changes is in the storage before it counts.
 */
export class CertificateAuthority {
  readonly trustDomain: TrustDomain
  readonly #clock: Clock
  readonly #bundle: WatchCell<TrustBundle>
  #storage: AuthorityStorage
  #standings: readonly Standing[]
  #sequence: number

  private constructor(storage: AuthorityStorage, trustDomain: TrustDomain, clock: Clock, index: AuthorityIndex) {
    this.#storage = storage
    this.trustDomain = trustDomain
    this.#clock = clock
    this.#sequence = index.sequence
    this.#standings = standingsOf(storage, index, trustDomain, clock.now())
    this.#bundle = new WatchCell(this.#makeBundle())
  }

  /**
   * Opens the CA in `dataDir/ca`, or makes one where there is none at all: with what was handed in, or with a root of our own. What
   * is there is verified as a whole: a CA that is damaged, exposed or of another trust domain is refused, never replaced. Throws
   * `OutriderError<AuthorityErrorCode>`.
   */
  static open(dataDir: string, trustDomain: TrustDomain, clock: Clock, given?: HandedIn): CertificateAuthority {
    return CertificateAuthority.openIn(new FolderStorage(dataDir), trustDomain, clock, given)
  }

  /** As `open`, wherever the CA is kept. */
  static openIn(
    storage: AuthorityStorage,
    trustDomain: TrustDomain,
    clock: Clock,
    given?: HandedIn,
  ): CertificateAuthority {
    let index = storage.readIndex()
    if (index === undefined) {
      const nowMs = clock.now()
      const authority = given === undefined ? makeAuthority(trustDomain, nowMs) : handedIn(given, trustDomain, nowMs)
      index = indexOf([{ authority, state: 'active', sinceMs: nowMs }], 1)
      storage.writeFirst(authority, index)
    } else if (given !== undefined) {
      requireKnown(handedIn(given, trustDomain, clock.now()), index)
    }
    const ca = new CertificateAuthority(storage, trustDomain, clock, index)
    storage.removeUnnamed(index)
    ca.renewSigners()
    return ca
  }

  /** Of this trust domain alone. */
  get bundle(): Watch<TrustBundle> {
    return this.#bundle
  }

  /** In the order in which they came. */
  get standings(): readonly Standing[] {
    return this.#standings
  }

  /** What signs now. */
  get active(): Authority {
    return this.#standings.find(({ state }) => state === 'active')!.authority
  }

  /** What the control server itself is certified by: the oldest that is not given up, so that join tokens stay good for as long as can be. */
  get elder(): Authority {
    return this.#standings.find(({ state }) => state === 'active' || state === 'retired')!.authority
  }

  /** All certificates, DER, that may be between a leaf of ours and its root. */
  get issuers(): readonly Buffer[] {
    return this.#standings.flatMap(({ authority }) => authority.signers.map(({ der }) => der))
  }

  /** Signs JWT-SVIDs. */
  get jwtSigner(): { readonly keyId: string; readonly privateKey: KeyObject } {
    const { jwtKeyId, jwtKey } = this.active
    return { keyId: jwtKeyId, privateKey: jwtKey }
  }

  /** As `issue` of authority.ts, with what signs now. */
  issue(request: CertificateRequest, ttlMs: number, nowMs: number): IssuedCertificate {
    return issue(this.active, this.trustDomain, request, ttlMs, nowMs)
  }

  /** As `issue`, with an authority that need not be the one that signs now. */
  issueFrom(authority: Authority, request: CertificateRequest, ttlMs: number, nowMs: number): IssuedCertificate {
    return issue(authority, this.trustDomain, request, ttlMs, nowMs)
  }

  /** A new root, made here or handed in: believed from now on, it signs nothing yet. */
  prepare(given?: HandedIn): Standing {
    const nowMs = this.#clock.now()
    if (this.#standings.length >= MAX_AUTHORITIES)
      throw new OutriderError('ca-too-many', `there are ${MAX_AUTHORITIES} authorities, which is the limit: revoke one`)
    const pending = this.#standings.find(({ state }) => state === 'prepared')
    if (pending !== undefined)
      throw new OutriderError('ca-state', `${pending.authority.id} is prepared already: activate or revoke it first`)
    const authority =
      given === undefined ? makeAuthority(this.trustDomain, nowMs) : handedIn(given, this.trustDomain, nowMs)
    if (this.#standings.some(({ authority: { id } }) => id === authority.id))
      throw new OutriderError('ca-state', `${authority.id} is an authority already`)
    this.#storage.writeAuthority(authority.id, authority)
    const prepared: Standing = { authority, state: 'prepared', sinceMs: nowMs }
    this.#become([...this.#standings, prepared])
    return prepared
  }

  /** The prepared root signs from now on; the one that did is retired. */
  activate(id?: string): Standing {
    const { authority } = this.pick(id, ['prepared'])
    const active = this.active
    return this.#move(
      new Map<Authority, AuthorityState>([
        [active, 'retired'],
        [authority, 'active'],
      ]),
      authority,
    )
  }

  /** All who have an SVID of this root are to get another at once. */
  taint(id?: string): Standing {
    const { authority } = this.pick(id, ['retired'])
    return this.#move(new Map([[authority, 'tainted']]), authority)
  }

  /** Nobody believes this root any more, and its keys are destroyed. Who still depends on it is for the caller to ask. */
  revoke(id?: string): Standing {
    const revoked = this.pick(id, ['tainted', 'prepared'])
    this.#become(this.#standings.filter((standing) => standing !== revoked))
    this.#storage.removeUnnamed(this.#index())
    return revoked
  }

  /** Certifies anew what signs, where that is due. Returns the IDs of those authorities. */
  renewSigners(): readonly string[] {
    const renewed: string[] = []
    const standings = this.#standings.map((standing) => {
      const authority = withFreshSigner(standing.authority, this.trustDomain, this.#clock.now())
      if (authority === undefined) return standing
      this.#storage.replaceSigners(authority.id, authority.signers)
      renewed.push(authority.id)
      return { ...standing, authority }
    })
    this.#standings = standings
    // The same bundle: who shows our intermediates takes the new ones.
    if (renewed.length > 0) this.#bundle.set(this.#bundle.current)
    return renewed
  }

  /**
   * Takes over what somebody else has made of this CA, verified as at the start. Throws as `open`, and `ca-sequence-fell` for what is older than
   * what is in force or another CA; then nothing changes.
   */
  adopt(storage: AuthorityStorage): void {
    const index = storage.readIndex()
    if (index === undefined) throw new OutriderError('ca-file-missing', 'there is no CA to take over')
    const standings = standingsOf(storage, index, this.trustDomain, this.#clock.now())
    const same = contentsOf(standings) === contentsOf(this.#standings)
    if (index.sequence < this.#sequence || (index.sequence === this.#sequence && !same))
      throw new OutriderError(
        'ca-sequence-fell',
        `the CA that is kept has trust bundle ${index.sequence}, ${this.#sequence}${same ? '' : ' of other authorities'} is in force: an old or foreign copy is in its place`,
      )
    const published = index.sequence === this.#sequence
    this.#storage = storage
    this.#standings = standings
    this.#sequence = index.sequence
    // Of the same authorities only the signers can differ: who shows our intermediates takes the new ones.
    this.#bundle.set(published ? this.#bundle.current : this.#makeBundle())
  }

  /** The authority that a step is about: the one that `id` begins, else the only one in such a state. Throws `ca-unknown` or `ca-state`. */
  pick(id: string | undefined, states: readonly AuthorityState[]): Standing {
    const fitting = this.#standings.filter(({ state }) => states.includes(state))
    if (id === undefined) {
      const [only, ...more] = fitting
      if (only !== undefined && more.length === 0) return only
      throw new OutriderError(
        'ca-state',
        only === undefined
          ? `no authority is ${states.join(' or ')}`
          : `${fitting.length} authorities are ${states.join(' or ')}: name one of ${fitting.map(({ authority }) => authority.id).join(', ')}`,
      )
    }
    const named = this.#standings.filter(({ authority }) => authority.fingerprint.startsWith(id.toLowerCase()))
    const [one, ...others] = named
    if (one === undefined || others.length > 0 || id.length < 4)
      throw new OutriderError('ca-unknown', `${JSON.stringify(id)} is the start of ${named.length} authorities`)
    if (!states.includes(one.state))
      throw new OutriderError('ca-state', `${one.authority.id} is ${one.state}, and should be ${states.join(' or ')}`)
    return one
  }

  #move(states: ReadonlyMap<Authority, AuthorityState>, authority: Authority): Standing {
    const sinceMs = this.#clock.now()
    this.#become(
      this.#standings.map((standing) => {
        const state = states.get(standing.authority)
        return state === undefined ? standing : { ...standing, state, sinceMs }
      }),
    )
    return this.#standings.find((standing) => standing.authority === authority)!
  }

  #become(standings: readonly Standing[]): void {
    const sequence = this.#sequence + 1
    this.#storage.writeIndex(indexOf(standings, sequence))
    this.#standings = standings
    this.#sequence = sequence
    this.#bundle.set(this.#makeBundle())
  }

  #index(): AuthorityIndex {
    return indexOf(this.#standings, this.#sequence)
  }

  #makeBundle(): TrustBundle {
    const authorities = this.#standings.map(({ authority }) => authority)
    return parseBundle({
      trustDomain: this.trustDomain,
      authorities: authorities.map(({ root }) => root.der),
      tainted: this.#standings.filter(({ state }) => state === 'tainted').map(({ authority }) => authority.fingerprint),
      jwtAuthorities: authorities.map(({ jwtKeyId, jwtKey }) => ({
        keyId: jwtKeyId,
        publicKey: createPublicKey(jwtKey).export({ type: 'spki', format: 'der' }),
      })),
      sequence: this.#sequence,
    })
  }
}

function standingsOf(
  storage: AuthorityStorage,
  { authorities }: AuthorityIndex,
  trustDomain: TrustDomain,
  nowMs: number,
): readonly Standing[] {
  return authorities.map((entry) => {
    const { id, state, sinceMs } = entry
    const authority = opened(storage.readAuthority(entry), trustDomain, nowMs)
    if (authority.id !== id)
      throw new OutriderError('ca-file-corrupt', `the authority that is kept as ${id} is ${authority.id}`, {
        place: id,
      })
    return { authority, state, sinceMs }
  })
}

/** What of it the trust bundle shows. */
function contentsOf(standings: readonly Standing[]): string {
  return standings.map(({ authority: { id, jwtKeyId }, state }) => `${id} ${jwtKeyId} ${state}`).join()
}

function indexOf(standings: readonly Standing[], sequence: number): AuthorityIndex {
  return {
    sequence,
    authorities: standings.map(({ authority: { id, rootKey }, state, sinceMs }) => ({
      id,
      state,
      sinceMs,
      keyElsewhere: rootKey === undefined,
    })),
  }
}

/** What is handed in at a later start must be what was handed in at the first: a root is never replaced by a restart. */
function requireKnown({ fingerprint }: Authority, { authorities }: AuthorityIndex): void {
  if (authorities.some(({ id }) => id === authorityId(fingerprint))) return
  throw new OutriderError(
    'ca-state',
    `the root ${authorityId(fingerprint)} of the options is none of this CA's: bring it in with "outrider ca prepare"`,
  )
}
