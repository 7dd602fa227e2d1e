import { isIPv6 } from 'node:net'
import { OutriderError } from '../../lib/errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { RateLimiter } from '../../ratelimit/limiter.ts'
import { planLimit, type LimitPlan } from '../../ratelimit/plan.ts'

export interface IssueLimits {
  /** First certificates per source: sustained per second, and at once. */
  readonly attestPerSecond: number
  readonly attestBurst: number
  /** Certificates in all. */
  readonly signPerSecond: number
}

/** Renewals of one identity, which many sidecars may share. Far above need; it bounds what one stolen key can cost. */
const RENEWALS_PER_SECOND = 100
const RENEWAL_BURST = 1000
/** Part of what may be signed that first certificates get at most: newcomers must not starve those who are here. */
const NEWCOMERS = 0.5

/** How often certificates may be asked for and signed. */
export class IssueRates {
  readonly #limiter: RateLimiter
  readonly #attestation: LimitPlan
  readonly #renewal: LimitPlan
  readonly #signing: LimitPlan
  readonly #newcomers: LimitPlan

  constructor({ attestPerSecond, attestBurst, signPerSecond }: IssueLimits, clock: Clock) {
    this.#limiter = new RateLimiter(() => clock.monotonic())
    this.#attestation = planLimit({ ...perSecond('attestation', attestPerSecond, attestBurst), key: 'identity' })
    this.#renewal = planLimit({ ...perSecond('renewal', RENEWALS_PER_SECOND, RENEWAL_BURST), key: 'identity' })
    this.#signing = planLimit({ ...perSecond('signing', signPerSecond, signPerSecond), key: 'all' })
    const newcomers = Math.max(1, Math.floor(signPerSecond * NEWCOMERS))
    this.#newcomers = planLimit({ ...perSecond('first-certificates', newcomers, newcomers), key: 'all' })
  }

  /** Before the evidence is looked at. `address` is an IP address. Throws `attestation-rate`. */
  attestation(address: string): void {
    this.#take([this.#attestation], networkOf(address), 'attestation-rate')
  }

  /** When the evidence has proved who asks, wherever from. Throws `attestation-rate`. */
  attested(source: string): void {
    this.#take([this.#attestation], source, 'attestation-rate')
  }

  /** Throws `attestation-rate`. */
  renewal(id: string): void {
    this.#take([this.#renewal], id, 'attestation-rate')
  }

  /** Before a certificate is signed. Throws `signing-rate`. */
  signing(first: boolean): void {
    this.#take(first ? [this.#newcomers, this.#signing] : [this.#signing], '', 'signing-rate')
  }

  #take(plans: readonly LimitPlan[], key: string, code: 'attestation-rate' | 'signing-rate'): void {
    const verdict = this.#limiter.check(plans, key)
    if (!verdict.limited) return
    const { limit, retryAfterS } = verdict
    const rate = Math.round(1000 / limit.emissionIntervalMs)
    throw new OutriderError(
      code,
      `too many requests (${limit.name}: ${rate} per second): try again in ${retryAfterS} s`,
      { retryable: true },
    )
  }
}

function perSecond(
  name: string,
  requests: number,
  burst: number,
): { scope: string; name: string; requests: number; perMs: number; burst: number } {
  return { scope: 'control', name, requests, perMs: 1000, burst }
}

/** An IPv6 address stands for its /64: who has one address there has 2^64 of them (RFC 7934). */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address
  const [head = '', tail] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - before.length - after.length }, () => '0')
  const groups = [...before, ...zeros, ...after].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
