import type { Clock } from '../../lib/clock.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { CompiledPolicy } from '../../policy/compile.ts'
import { decide } from '../../policy/decide.ts'
import { type Principal, ruleName, type RuleRef } from '../../policy/decision.ts'
import type { AccessLog } from '../../telemetry/access-log.ts'
import type { sidecarMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'
import { type RandomHex, requestIdOf, traceHop } from '../../telemetry/trace.ts'
import type { AttributeContext__Output } from '../../wire/envoy/service/auth/v3/AttributeContext.ts'
import type { CheckRequest__Output } from '../../wire/envoy/service/auth/v3/CheckRequest.ts'
import type { CheckResponse } from '../../wire/envoy/service/auth/v3/CheckResponse.ts'
import type { Authenticator } from '../authentication/authenticator.ts'
import { grpcStatusOf } from '../grpc.ts'
import { type Refusal, refusals, refuse } from '../refusal.ts'
import { respond } from '../respond.ts'
import { subjectOf } from './subject.ts'
import { type Proved, proveUser, type Rewriting, unchanged } from './users.ts'

export interface CheckerParts {
  readonly policy: Watch<CompiledPolicy>
  readonly credentials: Watch<Credentials>
  readonly clock: Clock
  readonly accessLog: AccessLog
  readonly metrics: Pick<MetricsOf<typeof sidecarMetrics>, 'extAuthzChecks'>
  readonly randomHex: RandomHex
  readonly authenticator: Authenticator
}

const OK = 0

/** Decides about requests that somebody else forwards, such as an Envoy, by the very code that decides about our own. */
export class Checker {
  readonly #parts: CheckerParts

  constructor(parts: CheckerParts) {
    this.#parts = parts
  }

  readonly check = async ({ attributes }: CheckRequest__Output): Promise<CheckResponse> => {
    const { policy, credentials, clock, randomHex, authenticator } = this.#parts
    const started = clock.monotonic()
    const nowMs = clock.now()
    const context = attributes ?? nothing
    const requestId = requestIdOf(context.request?.http?.headers['x-request-id'] ?? '', randomHex)
    const beliefs = { bundles: credentials.current.bundles, revocations: policy.current.revocations }
    const subject =
      attributes === null
        ? refuse('check-malformed', { detail: 'nothing is told' })
        : subjectOf(context, beliefs, nowMs)
    const proved = subject.kind === 'refusal' ? subject : await proveUser(subject, policy.current, authenticator, nowMs)
    const { refusal, rule } = proved.kind === 'refusal' ? { refusal: proved, rule: undefined } : this.#decide(proved)
    const explain = subject.kind === 'subject' && subject.explain
    const principal = subject.kind === 'subject' ? subject.asked.principal : undefined
    const durationMs = clock.monotonic() - started
    this.#report(context, { requestId, principal, refusal, rule, nowMs, durationMs })
    const rewriting = proved.kind === 'proved' ? proved.rewriting : undefined
    return refusal === undefined ? allowed(requestId, rewriting) : denied(refusal, requestId, explain)
  }

  #decide({ asked }: Proved): { readonly refusal: Refusal | undefined; readonly rule: RuleRef | undefined } {
    const decision = decide(this.#parts.policy.current, asked)
    if (decision.kind === 'permit') return { refusal: undefined, rule: decision.rule }
    const { code, rule, nearest, detail } = decision
    return { refusal: refuse(code, { rule, nearest, detail }), rule }
  }

  #report(context: AttributeContext__Output, outcome: Outcome): void {
    const { accessLog, metrics, randomHex } = this.#parts
    const { requestId, principal, refusal, rule, nowMs, durationMs } = outcome
    const decision = refusal === undefined ? 'allow' : 'deny'
    metrics.extAuthzChecks.with({ decision, refusal: refusal?.code ?? 'none' }).inc()
    if (!accessLog.wants(refusal !== undefined)) return
    const http = context.request?.http
    const nearest = refusal?.nearest
    accessLog.write({
      timeMs: nowMs,
      reporter: 'ext-authz',
      requestId,
      traceId: traceHop(http?.headers['traceparent'] ?? '', randomHex, false).traceId,
      source: principal ?? { kind: 'anonymous', why: 'principal-refused' },
      destination: 'application',
      method: http?.method ?? 'CONNECT',
      path: http?.path.split('?', 1)[0] ?? '',
      authority: http?.host ?? '',
      protocol: protocolOf(http?.protocol),
      status: refusal === undefined ? 200 : refusals[refusal.code].status,
      ...(refusal === undefined ? {} : { code: refusal.code }),
      ...(rule === undefined ? {} : { rule: ruleName(rule) }),
      ...(nearest === undefined ? {} : { nearest: { rule: ruleName(nearest.rule), failed: nearest.failed } }),
      bytesReceived: 0,
      bytesSent: 0,
      durationMs,
    })
  }
}

interface Outcome {
  readonly requestId: string
  /** Absent where it could not be believed. */
  readonly principal: Principal | undefined
  readonly refusal: Refusal | undefined
  readonly rule: RuleRef | undefined
  readonly nowMs: number
  readonly durationMs: number
}

/** Nothing was told. */
const nothing: AttributeContext__Output = {
  source: null,
  destination: null,
  request: null,
  contextExtensions: {},
  tlsSession: null,
}

function allowed(requestId: string, { set, removed, removedParameters }: Rewriting = unchanged): CheckResponse {
  const headers = [overwriting('x-request-id', requestId)]
  for (let index = 0; index < set.length; index += 2) headers.push(overwriting(set[index]!, set[index + 1]!))
  return {
    status: { code: OK },
    okResponse: {
      headers,
      headersToRemove: [...removed, 'x-outrider-refusal'],
      queryParametersToRemove: [...removedParameters],
    },
  }
}

/** As the client of a sidecar would get it. */
function denied(refusal: Refusal, requestId: string, explain: boolean): CheckResponse {
  const { head, body } = respond(refusal, requestId, explain, false)
  const headers: ReturnType<typeof overwriting>[] = []
  for (let index = 0; index < head.headers.length; index += 2) {
    headers.push(overwriting(head.headers[index]!, head.headers[index + 1]!))
  }
  return {
    status: { code: grpcStatusOf(head.status) },
    deniedResponse: { status: { code: head.status }, headers, body: body.toString() },
  }
}

function overwriting(
  key: string,
  value: string,
): { header: { key: string; value: string }; append: { value: boolean }; appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' } {
  // In both ways in which Envoys of different age read it.
  return { header: { key, value }, append: { value: false }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }
}

function protocolOf(text: string | undefined): 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | 'TCP' {
  switch (text) {
    case undefined:
      return 'TCP'
    case 'HTTP/1.0':
    case 'HTTP/1.1':
      return text
    default:
      return 'HTTP/2'
  }
}
