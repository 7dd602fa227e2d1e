import type { ResourceName } from '../policy/model.ts'
import type { Counter, Histogram } from '../telemetry/series.ts'
import type { Runtime } from './runtime.ts'

/** What is known of a request when it is over. */
export interface RequestOutcome {
  /** 0 when it ended without a response. */
  readonly status: number
  /** `none` where the upstream answered. */
  readonly refusal: string
  /** The service or application that was asked for. */
  readonly destination: string
}

const reporterLabels = { inbound: { reporter: 'inbound' }, outbound: { reporter: 'outbound' } } as const

/**
 * The metrics of the requests of one connection. To look a series up by its labels costs more than to decide the
 * request; most requests of a connection have the labels of the one before, so that the last series is at hand.
 */
export class RequestMeter {
  readonly #runtime: Runtime
  readonly #reporter: 'inbound' | 'outbound'
  readonly #principal: string
  readonly #security: 'mutual_tls' | 'none'
  readonly #duration: Histogram
  readonly #requestBytes: Counter
  readonly #responseBytes: Counter
  #outcome: RequestOutcome | undefined
  #requests: Counter | undefined
  #policy: ResourceName | undefined
  #allowed: Counter | undefined

  constructor(runtime: Runtime, reporter: 'inbound' | 'outbound', principal: string, security: 'mutual_tls' | 'none') {
    const labels = reporterLabels[reporter]
    this.#runtime = runtime
    this.#reporter = reporter
    this.#principal = principal
    this.#security = security
    this.#duration = runtime.metrics.requestDuration.with(labels)
    this.#requestBytes = runtime.metrics.requestBytes.with(labels)
    this.#responseBytes = runtime.metrics.responseBytes.with(labels)
  }

  begin(): void {
    const { load, metrics } = this.#runtime
    load.begin()
    metrics.requestsInFlight.add(1)
  }

  end(outcome: RequestOutcome, durationMs: number): void {
    const { load, metrics } = this.#runtime
    load.end()
    metrics.requestsInFlight.add(-1)
    this.#duration.observe(durationMs / 1000)
    this.#requestsOf(outcome).inc()
  }

  forwarded(requestBytes: number, responseBytes: number): void {
    if (requestBytes > 0) this.#requestBytes.inc(requestBytes)
    if (responseBytes > 0) this.#responseBytes.inc(responseBytes)
  }

  allowed(policy: ResourceName): void {
    if (this.#allowed === undefined || this.#policy !== policy) {
      this.#policy = policy
      this.#allowed = this.#runtime.metrics.authorizationDecisions.with({ decision: 'allow', policy: label(policy) })
    }
    this.#allowed.inc()
  }

  /** `policy` is that of the DENY rule, when there is one. */
  denied(policy: ResourceName | undefined): void {
    const { authorizationDecisions } = this.#runtime.metrics
    authorizationDecisions.with({ decision: 'deny', policy: policy === undefined ? 'none' : label(policy) }).inc()
  }

  #requestsOf(outcome: RequestOutcome): Counter {
    const last = this.#outcome
    if (
      this.#requests === undefined ||
      last?.status !== outcome.status ||
      last.refusal !== outcome.refusal ||
      last.destination !== outcome.destination
    ) {
      this.#outcome = outcome
      this.#requests = this.#runtime.metrics.requests.with({
        reporter: this.#reporter,
        source_principal: this.#principal,
        destination_service: outcome.destination,
        response_code: String(outcome.status),
        refusal: outcome.refusal,
        connection_security_policy: this.#security,
      })
    }
    return this.#requests
  }
}

function label({ namespace, name }: ResourceName): string {
  return `${namespace}/${name}`
}
