/**
 * Says on the hop that the client speaks HTTP/1.1, so that its request reaches the application as such. Whoever sets it
 * chooses no more than that.
 */
export const ORIGINAL_PROTOCOL = 'x-outrider-protocol'

/**
 * Says in a 503 of the callee's sidecar that its application has seen nothing of the request, so that another endpoint may be
 * asked. An application cannot say it: it knows nothing of what it has not seen.
 */
export const UNPROCESSED = 'x-outrider-unprocessed'

/** Fields that only we may set: what a client sends in them is never forwarded. By length first: most names differ there. */
export function isOwnField(name: string): boolean {
  switch (name.length) {
    case 11:
      return name === 'traceparent' || name === 'client-cert'
    case 12:
      return name === 'x-request-id'
    case 17:
      return name === 'client-cert-chain'
    case 18:
      return name === 'x-outrider-refusal'
    case 19:
      return name === ORIGINAL_PROTOCOL
    case 23:
      return name === 'x-forwarded-client-cert'
    default:
      return false
  }
}
