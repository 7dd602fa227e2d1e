import { closedPolicy } from '../../policy/closed.ts'
import { type CompiledPolicy, compilePolicy, type PolicyInput } from '../../policy/compile.ts'
import type { Violation } from '../../policy/model.ts'
import { compileRevocations } from '../../policy/revocations.ts'
import type { Decoded } from './decode.ts'
import type { HeldResources, SentName, Snapshot } from './snapshot.ts'

/** What is wrong with which resource, for the NACK. */
export interface SentViolation extends Violation {
  readonly resource: SentName
}

export interface Compiled extends CompiledResources {
  readonly decoded: Decoded
}

export interface CompiledResources {
  readonly policy: CompiledPolicy
  readonly violations: readonly SentViolation[]
}

/** Makes what requests are decided with. What cannot be compiled closes what it governs, and is named in `violations`. */
export function compile(decoded: Decoded, { policy }: Snapshot): Compiled {
  return { decoded, ...compileResources(decoded.held, policy.current) }
}

/**
 * The same resources make the same policy, wherever they are compiled, and whatever was in force `before`: that only saves to
 * compile what has not changed since.
 */
export function compileResources(resources: HeldResources, before?: CompiledPolicy): CompiledResources {
  const policies: PolicyInput['policies'][number][] = []
  const limits: PolicyInput['limits'][number][] = []
  const services: PolicyInput['services'][number][] = []
  const revocations: NonNullable<PolicyInput['revocations']>[number][] = []
  const authentications: NonNullable<PolicyInput['authentications']>[number][] = []
  const apiKeys: NonNullable<PolicyInput['apiKeys']>[number][] = []
  const external: NonNullable<PolicyInput['external']>[number][] = []
  const unreadable: NonNullable<PolicyInput['unreadable']>[number][] = []
  const violations: SentViolation[] = []
  let workload: PolicyInput['workload'] | undefined
  for (const held of resources.values()) {
    if (!held.ok) {
      unreadable.push(held.unreadable)
      for (const violation of held.violations) violations.push({ ...violation, resource: held.name })
      continue
    }
    const { resource } = held
    switch (resource.kind) {
      case 'Workload':
        workload = resource
        break
      case 'AuthorizationPolicy':
        policies.push(resource)
        break
      case 'RateLimit':
        limits.push(resource)
        break
      case 'Revocation':
        revocations.push(resource)
        break
      case 'Service':
        services.push(resource)
        break
      case 'RequestAuthentication':
        authentications.push(resource)
        break
      case 'ApiKey':
        apiKeys.push(resource)
        break
      case 'ExternalAuthorization':
        external.push(resource)
        break
    }
  }
  if (workload === undefined) {
    const why = 'there is no Workload for this identity: the control server sent none, or what it sent is too old'
    // Who is believed no longer is not believed then either.
    return { policy: { ...closedPolicy(why), revocations: compileRevocations(revocations) }, violations }
  }
  const compiled = compilePolicy(
    { workload, policies, limits, services, revocations, authentications, apiKeys, external, unreadable },
    before,
  )
  return { policy: compiled.policy, violations: [...violations, ...compiled.violations] }
}
