import { headerValues } from '../policy/match/header.ts'
import type { DecisionRequest } from '../policy/decision.ts'
import type { AccessFacts } from '../telemetry/access-log.ts'
import type { Runtime } from './runtime.ts'

/** Longest value of a header in the access log. A part of one would be decided on as if it were the whole. */
const MAX_VALUE_LENGTH = 1024

/** What the access log keeps of what a policy was asked: no claims, no secrets, and of the headers only those asked for. */
export function accessFacts(
  asked: DecisionRequest,
  grpc: boolean,
  { config, credentials }: Pick<Runtime, 'config' | 'credentials'>,
): AccessFacts {
  const { port, host, address, user, headers } = asked
  const names = headers === undefined || config.accessLogHeaders === undefined ? [] : config.accessLogHeaders.split(',')
  return {
    workload: credentials.current.svid.id,
    port,
    host,
    address,
    // Empty: it asked for none. Absent: nobody looked.
    sni: 'sni' in asked ? (asked.sni ?? '') : undefined,
    grpc,
    user,
    headers: names.flatMap((name) => {
      const values = headerValues(headers ?? [], name)
      return values.some((value) => value.length > MAX_VALUE_LENGTH) ? [] : [[name, values] as const]
    }),
  }
}
