import type { Logger } from '../telemetry/log.ts'
import type { Refusal } from './refusal.ts'
import type { Request } from './request.ts'

/**
 * Goes on with a request when a stage that had to wait is done: with `next`, or with its refusal. Meanwhile the exchange holds
 * what comes of the body: one read at most. Not when the request is over by then:
 * its client has left, its permission was withdrawn, its deadline has passed.
 */
export function goOnLater<T extends { readonly kind: string }>(
  request: Request,
  pending: Promise<T | Refusal | undefined>,
  log: Logger,
  next: (value: T) => void,
): void {
  const goOn = async (): Promise<void> => {
    const outcome = await pending
    if (outcome === undefined || request.exchange.finished) return
    if (isRefusal(outcome)) request.refuse(outcome)
    else next(outcome)
  }
  goOn().catch((error: unknown) => {
    log.error({ requestId: request.requestId, error }, 'a request ended by a fault of ours')
    request.exchange.abort({ code: 'closed-here', message: 'a fault of ours', replay: 'never' })
  })
}

function isRefusal(outcome: { readonly kind: string }): outcome is Refusal {
  return outcome.kind === 'refusal'
}
