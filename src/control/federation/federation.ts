import { createHash } from 'node:crypto'
import type { TrustBundle, TrustBundleSet } from '../../identity/bundle.ts'
import { type BundleDocument, formatBundleDocument } from '../../identity/bundle-document.ts'
import type { TrustDomain as TrustDomainName } from '../../identity/spiffe-id.ts'
import type { Clock } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import { type Watch, WatchCell } from '../../lib/watch.ts'
import { nameOf, resourceKey, type TrustDomain } from '../../policy/model.ts'
import type { AuditLog } from '../../telemetry/audit.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { ControlMetrics } from '../metrics.ts'
import type { Catalogue } from '../publish/catalogue.ts'
import type { Store } from '../store/store.ts'
import { fetchBundle } from './fetch.ts'
import { type LastGood, LastGoodBundles } from './last-good.ts'
import { BundlePoller } from './poll.ts'

export interface FederationParts {
  /** Of the mesh itself. */
  readonly own: Watch<TrustBundle>
  readonly store: Store
  /** Follows the store, and was told of a commit before we are. */
  readonly catalogue: Catalogue
  readonly dataDir: string
  readonly clock: Clock
  readonly random: Random
  readonly audit: AuditLog
  readonly log: Logger
  readonly metrics: ControlMetrics
}

/** How it stands with one foreign trust domain. */
export interface FederatedDomain {
  readonly trustDomain: TrustDomainName
  readonly resource: TrustDomain
  /** What is believed; absent as long as there was nothing. */
  readonly bundle: TrustBundle | undefined
  /** When the endpoint last gave it. */
  readonly fetchedAtMs: number | undefined
  /** When the endpoint is asked next. */
  readonly nextPollAtMs: number | undefined
  /** Of the last poll, when it failed. */
  readonly failure: { readonly code: string; readonly message: string } | undefined
}

interface Member {
  readonly resource: TrustDomain
  readonly origin: string
  held: LastGood | undefined
  poller: BundlePoller | undefined
  nextPollAtMs: number | undefined
  failure: FederatedDomain['failure']
}

/**
 * The trust bundles of the mesh: its own, and those of the foreign trust domains that `TrustDomain` resources name. Each speaks for
 * its own trust domain; none is ever merged with another.
 */
export class Federation {
  readonly #parts: FederationParts
  readonly #lastGood: LastGoodBundles
  readonly #members = new Map<string, Member>()
  readonly #cell: WatchCell<TrustBundleSet>
  readonly #unsubscribe: readonly (() => void)[]

  constructor(parts: FederationParts) {
    const { own, store, catalogue, dataDir, log } = parts
    this.#parts = parts
    this.#lastGood = new LastGoodBundles(dataDir, log)
    const resources = [...catalogue.trustDomains()]
    this.#lastGood.keepOnly(resources.map(({ spec }) => spec.trustDomain))
    for (const resource of resources) this.#join(resource)
    this.#cell = new WatchCell(this.#compose())
    this.#unsubscribe = [
      own.subscribe(() => this.#publish()),
      store.watch(({ changes }) => {
        for (const change of changes) {
          if (change.kind === 'delete') this.#leave(resourceKey(change.name))
          else if (change.resource.kind === 'TrustDomain') this.#join(change.resource)
        }
        if (changes.some(isTrustDomain)) this.#publish()
      }),
    ]
  }

  /** The own bundle and those of all foreign trust domains. */
  get bundles(): Watch<TrustBundleSet> {
    return this.#cell
  }

  /** By trust domain. */
  list(): readonly FederatedDomain[] {
    return [...this.#members.values()]
      .map(({ resource, held, nextPollAtMs, failure }) => ({
        trustDomain: resource.spec.trustDomain,
        resource,
        bundle: held?.document.bundle,
        fetchedAtMs: held?.fetchedAtMs,
        nextPollAtMs,
        failure,
      }))
      .toSorted((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1))
  }

  close(): void {
    for (const stop of this.#unsubscribe) stop()
    for (const { poller } of this.#members.values()) poller?.close()
  }

  /** Takes up a resource that is new or has changed. What was fetched from another endpoint is not believed on. */
  #join(resource: TrustDomain): void {
    const key = resourceKey(nameOf(resource))
    const { trustDomain, bundle, bundleEndpoint } = resource.spec
    const before = this.#members.get(key)
    if (before !== undefined && before.resource.spec.trustDomain !== trustDomain) this.#leave(key)
    else before?.poller?.close()
    const origin = originOf(resource)
    const kept = this.#lastGood.read(trustDomain) ?? before?.held
    const begun = kept?.origin === origin ? kept : this.#begin(bundle, origin, kept)
    const failure = begun === undefined || begun === kept ? undefined : this.#recordedFailure(begun.document)
    const held = failure === undefined ? begun : undefined
    const member: Member = { resource, origin, held, poller: undefined, nextPollAtMs: undefined, failure }
    this.#members.set(key, member)
    if (held === undefined) this.#lastGood.remove(trustDomain)
    else if (held !== kept) this.#lastGood.write(trustDomain, held)
    this.#measure(member)
    const { clock, random, log } = this.#parts
    log.info(
      { trustDomain, roots: held?.document.bundle.authorities.map(({ fingerprint }) => fingerprint) },
      held === undefined ? 'a foreign trust domain has no trust bundle yet' : 'a foreign trust domain is believed',
    )
    if (bundleEndpoint === undefined) return
    member.nextPollAtMs = clock.now()
    member.poller = new BundlePoller(
      {
        trustDomain,
        fetch: (signal) => fetchBundle(bundleEndpoint, this.#cell.current, clock, signal),
        present: () => member.held?.document,
        clock,
        random,
      },
      {
        fetched: (document, nextInMs) => this.#fetched(member, document, nextInMs),
        failed: (error, nextInMs) => this.#failed(member, error, nextInMs),
      },
    )
  }

  #leave(key: string): void {
    const member = this.#members.get(key)
    if (member === undefined) return
    this.#members.delete(key)
    member.poller?.close()
    const { trustDomain } = member.resource.spec
    this.#lastGood.remove(trustDomain)
    const { audit, metrics, log } = this.#parts
    // A gauge at zero is forgotten after a while.
    metrics.federatedBundleFetched.with({ trust_domain: trustDomain }).set(0)
    metrics.federatedBundleSequence.with({ trust_domain: trustDomain }).set(0)
    log.warn({ trustDomain }, 'a foreign trust domain is believed no more')
    try {
      audit.record({ event: 'trust-domain-dropped', trustDomain })
    } catch (thrown) {
      // To believe somebody longer, for want of a line about it, would be the worse of the two.
      log.error({ trustDomain, error: describeError(thrown) }, 'the end of a trust domain is not in the audit log')
    }
  }

  /** Throws `audit-unwritable`. */
  #record({ bundle: { trustDomain, authorities } }: BundleDocument): void {
    const roots = authorities.map(({ fingerprint }) => fingerprint)
    this.#parts.audit.record({ event: 'trust-bundle-changed', trustDomain, authorities: roots })
  }

  /** As `#record`, where nobody is there to catch: a resource that is stored already. */
  #recordedFailure(document: BundleDocument): FederatedDomain['failure'] {
    try {
      this.#record(document)
      return undefined
    } catch (thrown) {
      const { trustDomain } = document.bundle
      this.#parts.log.error({ trustDomain, error: describeError(thrown) }, 'a trust bundle is not believed unrecorded')
      return failureOf(thrown)
    }
  }

  /** The start value of a resource, if it has one. */
  #begin(document: BundleDocument | undefined, origin: string, before: LastGood | undefined): LastGood | undefined {
    if (document === undefined) return undefined
    return { document, origin, meshSequence: this.#meshSequence(before) }
  }

  #fetched(member: Member, document: BundleDocument, nextInMs: number): void {
    const { clock, log, metrics } = this.#parts
    const { trustDomain } = member.resource.spec
    const { held: before } = member
    const changed = before === undefined || !sameContent(before.document, document)
    if (changed) this.#record(document)
    if (member.failure !== undefined || before?.fetchedAtMs === undefined)
      log.info({ trustDomain, nextInMs }, 'the bundle endpoint of a foreign trust domain answers')
    member.failure = undefined
    member.nextPollAtMs = clock.now() + nextInMs
    member.held = {
      document,
      origin: member.origin,
      fetchedAtMs: clock.now(),
      meshSequence: changed ? this.#meshSequence(before) : before.meshSequence,
    }
    this.#lastGood.write(trustDomain, member.held)
    metrics.federationPolls.with({ trust_domain: trustDomain, result: changed ? 'changed' : 'unchanged' }).inc()
    this.#measure(member)
    for (const { place, why } of document.ignored)
      log.debug({ trustDomain, place, why }, 'a key of a bundle is ignored')
    if (!changed) return
    const { sequence, authorities, jwtAuthorities } = document.bundle
    const roots = authorities.map(({ fingerprint }) => fingerprint)
    const fields = { trustDomain, sequence, roots, jwtKeys: jwtAuthorities.size, nextInMs }
    if (roots.length > 0) log.info(fields, 'the trust bundle of a foreign trust domain has changed')
    else log.warn(fields, 'a foreign trust domain has published an empty trust bundle: none of its SVIDs is believed')
    this.#publish()
  }

  #failed(member: Member, error: unknown, nextInMs: number): void {
    const { clock, log, metrics } = this.#parts
    const { trustDomain } = member.resource.spec
    const failure = failureOf(error)
    const { code, message } = failure
    member.failure = failure
    member.nextPollAtMs = clock.now() + nextInMs
    metrics.federationPolls.with({ trust_domain: trustDomain, result: code }).inc()
    const { fetchedAtMs } = member.held ?? {}
    const since = fetchedAtMs === undefined ? undefined : new Date(fetchedAtMs).toISOString()
    log.warn(
      { trustDomain, code, error: message, retryInMs: Math.round(nextInMs), lastFetched: since },
      member.held === undefined
        ? 'no trust bundle could be had: nobody of this trust domain is believed'
        : 'the trust bundle of a foreign trust domain could not be fetched: the last one stays',
    )
  }

  /**
   * The sequence that sidecars compare. Not the publisher's, which may be missing, or fall when the trust domain is set up
   * anew: sidecars would refuse the whole set, with our own bundle in it.
   */
  #meshSequence(before: LastGood | undefined): number {
    return Math.max((before?.meshSequence ?? 0) + 1, this.#parts.clock.now())
  }

  #measure({ resource, held }: Member): void {
    const { metrics } = this.#parts
    const labels = { trust_domain: resource.spec.trustDomain }
    metrics.federatedBundleFetched.with(labels).set((held?.fetchedAtMs ?? 0) / 1000)
    metrics.federatedBundleSequence.with(labels).set(held?.document.bundle.sequence ?? 0)
  }

  #publish(): void {
    this.#cell.set(this.#compose())
  }

  #compose(): TrustBundleSet {
    const own = this.#parts.own.current
    const set = new Map<TrustDomainName, TrustBundle>()
    for (const { held } of this.#members.values()) {
      if (held === undefined) continue
      const { bundle } = held.document
      set.set(bundle.trustDomain, Object.freeze({ ...bundle, sequence: held.meshSequence }))
    }
    // Last: whatever a resource says, it speaks for nobody of ours.
    set.set(own.trustDomain, own)
    return set
  }
}

function failureOf(error: unknown): NonNullable<FederatedDomain['failure']> {
  return { code: error instanceof OutriderError ? error.code : 'internal-error', message: describeError(error) }
}

function isTrustDomain(
  change: { kind: 'put'; resource: { kind: string } } | { kind: 'delete'; name: { kind: string } },
): boolean {
  return (change.kind === 'put' ? change.resource.kind : change.name.kind) === 'TrustDomain'
}

/** Digest of where a bundle comes from. */
function originOf({ spec: { trustDomain, bundleEndpoint, bundle } }: TrustDomain): string {
  const start = bundle === undefined ? null : [bundle.sequenced, formatBundleDocument(bundle.bundle, 0)]
  return createHash('sha256')
    .update(JSON.stringify([trustDomain, bundleEndpoint, start]))
    .digest('hex')
}

function sameContent(a: BundleDocument, b: BundleDocument): boolean {
  return a.sequenced === b.sequenced && formatBundleDocument(a.bundle, 0) === formatBundleDocument(b.bundle, 0)
}
