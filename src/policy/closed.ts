import { noRevocations } from '../identity/revocation.ts'
import { noAuthentication } from './authentication.ts'
import type { CompiledPolicy } from './compile.ts'
import { LimitTable } from './limits.ts'
import { RuleIndex } from './rule-index.ts'

/** Denies every request and knows no destination: what a sidecar runs until it has a policy. `why` is for people. */
export function closedPolicy(why: string): CompiledPolicy {
  const none = new RuleIndex([], 'requests')
  return {
    closed: { code: 'policy-missing', detail: why },
    deny: none,
    allow: none,
    connections: { deny: none, allow: none },
    limits: new LimitTable([]),
    destinations: new Map(),
    revocations: noRevocations,
    authentication: noAuthentication,
    external: [],
  }
}
