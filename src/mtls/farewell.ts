import { CLOCK_SKEW_MS, span } from '../identity/validity.ts'

/*
 * What the side that refuses a certificate tells the other one before it closes. In TLS 1.3 neither learns of the other's verdict by
 * the handshake: both verify after it. One line of printable ASCII: `outrider: CODE: MESSAGE; clock TIME`, TIME as in
 * RFC 3339 in UTC. Over HTTP/2 it is the debug data of GOAWAY (RFC 9113 section 6.8), over HTTP/1.1 the body of a 403, for those who were of this mesh, or will be.
 */

/** In bytes; the message is cut for it. */
export const MAX_FAREWELL = 300

const form = /^outrider: ([a-z][a-z0-9-]{0,63}): ([ -~]*?)(?:; clock (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z))?$/

/** What the peer said. It proves nothing: for people only. */
export interface Farewell {
  readonly code: string
  readonly message: string
  /** How far the clocks differ, where that is more than is tolerated. */
  readonly skew: string | undefined
}

/** Says no more than is in the certificates that the peer itself has shown, and what time it is here. */
export function farewellText(
  { code, message }: { readonly code: string; readonly message: string },
  nowMs: number,
): string {
  const begin = `outrider: ${code}: `
  const end = `; clock ${new Date(nowMs).toISOString()}`
  return begin + message.replaceAll(/[^ -~]/g, '?').slice(0, MAX_FAREWELL - begin.length - end.length) + end
}

/** Undefined where the text is none of ours. */
export function readFarewell(text: string, nowMs: number): Farewell | undefined {
  if (text.length > MAX_FAREWELL) return undefined
  const [, code, message = '', time] = form.exec(text) ?? []
  if (code === undefined) return undefined
  return { code, message, skew: time === undefined ? undefined : skewText(Date.parse(time) - nowMs) }
}

function skewText(differenceMs: number): string | undefined {
  if (Number.isNaN(differenceMs) || Math.abs(differenceMs) <= CLOCK_SKEW_MS) return undefined
  const [late, early] = differenceMs > 0 ? ['behind', 'ahead'] : ['ahead of', 'behind']
  return `our clock is ${span(Math.abs(differenceMs))} ${late} the peer's, or the peer's so much ${early}`
}
