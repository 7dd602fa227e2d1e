import type { SubscribeRequest } from '../../wire/outrider/policy/v1/SubscribeRequest.ts'
import type { Compiled } from './compile.ts'
import type { Origin, Snapshot } from './snapshot.ts'

/** Puts the policy in force and answers the control server. */
export function apply({ decoded, policy, violations }: Compiled, snapshot: Snapshot, origin: Origin): SubscribeRequest {
  const { nonce, revision, held, startedMs } = decoded
  const { buckets, metrics, clock, log } = snapshot
  // Before anybody can be decided on with the new policy.
  buckets.retain(policy.limits.plans)
  snapshot.replace(policy, held, revision, origin)
  metrics.policyRevision.set(revision)
  metrics.policyApplyDuration.observe((clock.monotonic() - startedMs) / 1000)
  const { source } = origin
  if (violations.length === 0) {
    metrics.policyUpdates.with({ result: 'applied' }).inc()
    log.info({ revision, resources: held.size, source }, 'policy applied')
    return { ack: { nonce, revision } }
  }
  metrics.policyUpdates.with({ result: 'nacked' }).inc()
  log.error({ revision, violations, source }, 'policy applied in part: what could not be compiled is closed')
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
