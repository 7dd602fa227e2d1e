import { lockoutPlans } from '../../ratelimit/lockout.ts'
import type { SubscribeRequest } from '../../wire/outrider/policy/v1/SubscribeRequest.ts'
import type { Compiled } from './compile.ts'
import type { Snapshot } from './snapshot.ts'

/** Puts the policy in force and answers the control server. */
export function apply({ decoded, policy, violations }: Compiled, snapshot: Snapshot): SubscribeRequest {
  const { nonce, revision, held, startedMs } = decoded
  const { buckets, metrics, clock, log } = snapshot
  // Before anybody can be decided on with the new policy.
  buckets.retain([...policy.limits.plans, ...lockoutPlans])
  snapshot.replace(policy, held, revision)
  metrics.policyRevision.set(revision)
  metrics.policyApplyDuration.observe((clock.monotonic() - startedMs) / 1000)
  if (violations.length === 0) {
    metrics.policyUpdates.with({ result: 'applied' }).inc()
    log.info({ revision, resources: held.size }, 'policy applied')
    return { ack: { nonce, revision } }
  }
  metrics.policyUpdates.with({ result: 'nacked' }).inc()
  log.error({ revision, violations }, 'policy applied in part: what could not be compiled is closed')
  return {
    nack: {
      nonce,
      revision,
      violations: violations.map(({ resource, field, code, message }) => ({
        resource: { kind: resource.kind, namespace: resource.namespace, name: resource.name },
        field,
        code,
        message,
      })),
    },
  }
}
