import { describePresented } from '../identity/presented.ts'
import type { Svid } from '../identity/svid.ts'
import { errorCodes } from '../http/h2/frame.ts'
import { readFarewell } from '../mtls/farewell.ts'
import type { TlsFailure } from './tls-failures.ts'

/** What of a failure is known when the peer does not accept `svid`, which we have shown it. */
export type RefusedByPeer = Pick<TlsFailure, 'reason' | 'detail' | 'theirs' | 'presented'>

/**
 * Whether a GOAWAY says that the peer does not accept our certificate, and why. What it says is the peer's word, and decides
 * nothing: it only explains why the connection closes.
 */
export function refusalByPeer(error: number, debug: string, svid: Svid, nowMs: number): RefusedByPeer | undefined {
  const farewell = readFarewell(debug, nowMs)
  if (farewell === undefined || error !== errorCodes.INADEQUATE_SECURITY) return undefined
  const { code, message, skew } = farewell
  return {
    reason: 'peer-refused-us',
    detail: skew === undefined ? message : `${message}; ${skew}`,
    theirs: code,
    presented: describePresented(svid.chainDer),
  }
}
