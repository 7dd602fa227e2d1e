import { noRevocations } from '../identity/revocation.ts'
import { noAuthentication } from './authentication.ts'
import type { CompiledPolicy } from './compile.ts'
import { LimitTable } from './limits.ts'
import { noRules } from './rule-sets.ts'
import { noSchedule } from './schedule.ts'

/** Denies every request and knows no destination: what a sidecar runs until it has a policy. `why` is for people. */
export function closedPolicy(why: string): CompiledPolicy {
  return {
    closed: { code: 'policy-missing', detail: why },
    rules: noRules,
    schedule: noSchedule,
    limits: new LimitTable([]),
    destinations: new Map(),
    revocations: noRevocations,
    authentication: noAuthentication,
    external: [],
  }
}
