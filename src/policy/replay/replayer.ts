import type { SpiffeId } from '../../identity/spiffe-id.ts'
import { type CompiledPolicy, compilePolicy } from '../compile.ts'
import { decide } from '../decide.ts'
import { type DecisionRequest, ruleName } from '../decision.ts'
import type { AuthorizationPolicy, Resource, Workload } from '../model.ts'
import { governs, policyInput, type ResourceSet, resolvedWorkload } from '../resource-set.ts'
import { bounded, factsOf, lacks, type Unrecorded } from './unrecorded.ts'

/** A request that a sidecar decided on, as far as it was written down. */
export interface RecordedRequest {
  /** Of the sidecar that decided. */
  readonly workload: SpiffeId
  readonly request: DecisionRequest
  readonly unrecorded: Unrecorded
  readonly decided: 'allow' | 'deny'
  /** What decided then; `namespace/policy/rule`. */
  readonly rule: string | undefined
  readonly requestId: string
  /** Of the response; 0 when there was none. */
  readonly status: number
}

export type Replayed =
  | { readonly outcome: 'allow'; readonly rule: string }
  | {
      readonly outcome: 'deny'
      readonly code: string
      readonly rule: string | undefined
      /** The ALLOW rule that came closest and what failed. */
      readonly nearest: string | undefined
    }
  /** Never guessed: `because` names the facts that were not written down, or says that the set has no such workload. */
  | { readonly outcome: 'undecidable'; readonly because: string }

/** Compiled forms that are kept: of each workload one for each combination of facts that records lack. */
const MAX_FORMS = 512

interface Form {
  readonly least: CompiledPolicy
  readonly most: CompiledPolicy
}

interface Subject {
  readonly workload: Workload
  /** Facts that its rules ask for. */
  readonly facts: readonly string[]
}

/** Decides recorded requests with a set of resources, by the code that sidecars decide with. */
export class Replayer {
  readonly #set: ResourceSet
  readonly #resources: readonly Resource[]
  readonly #policies: readonly AuthorizationPolicy[]
  readonly #subjects = new Map<SpiffeId, Subject | undefined>()
  readonly #forms = new Map<string, Form>()

  constructor(set: ResourceSet) {
    this.#set = set
    this.#resources = set.sources.map(({ resource }) => resource)
    this.#policies = this.#resources.filter((resource) => resource.kind === 'AuthorizationPolicy')
  }

  decide({ workload, request, unrecorded }: Pick<RecordedRequest, 'workload' | 'request' | 'unrecorded'>): Replayed {
    const subject = this.#subject(workload)
    if (subject === undefined) return { outcome: 'undecidable', because: 'no Workload has the identity of the callee' }
    const missing = subject.facts.filter((fact) => lacks(unrecorded, fact))
    const { least, most } = this.#form(subject.workload, missing)
    const decision = decide(least, request)
    if (missing.length > 0 && decide(most, request).kind !== decision.kind)
      return { outcome: 'undecidable', because: `not written down: ${missing.join(', ')}` }
    if (decision.kind === 'permit') return { outcome: 'allow', rule: ruleName(decision.rule) }
    const { code, rule, nearest } = decision
    return {
      outcome: 'deny',
      code,
      rule: rule === undefined ? undefined : ruleName(rule),
      nearest: nearest === undefined ? undefined : `${ruleName(nearest.rule)} (${nearest.failed})`,
    }
  }

  #subject(id: SpiffeId): Subject | undefined {
    const workload = this.#set.workloadOf(id)
    if (workload === undefined) return undefined
    const known = this.#subjects.get(id)
    if (known !== undefined) return known
    const facts = new Set<string>()
    for (const policy of this.#policies)
      if (governs(policy, workload.metadata))
        for (const rule of policy.spec.rules) for (const fact of factsOf(rule)) facts.add(fact)
    const subject = { workload, facts: [...facts].toSorted() }
    this.#subjects.set(id, subject)
    return subject
  }

  #form(workload: Workload, missing: readonly string[]): Form {
    const key = `${workload.spec.spiffeId} ${missing.join(',')}`
    const known = this.#forms.get(key)
    if (known !== undefined) return known
    const resolved = resolvedWorkload(workload)
    const input = policyInput(this.#resources, resolved)
    const compiled = (allowing: 'least' | 'most'): CompiledPolicy =>
      compilePolicy({ ...input, policies: bounded(this.#policies, new Set(missing), allowing) }).policy
    const least = compiled('least')
    const form = { least, most: missing.length === 0 ? least : compiled('most') }
    if (this.#forms.size >= MAX_FORMS) this.#forms.delete(this.#forms.keys().next().value!)
    this.#forms.set(key, form)
    return form
  }
}
