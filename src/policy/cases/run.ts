import { spiffeIdOf, type TrustDomain } from '../../identity/spiffe-id.ts'
import type { CompiledPolicy } from '../compile.ts'
import { decide } from '../decide.ts'
import { type Decision, type DecisionRequest, noUser, ruleName, type RuleRef } from '../decision.ts'
import { rulesOf } from '../lint/finding.ts'
import type { ResolvedWorkload } from '../model.ts'
import { normalisePath } from '../normalise.ts'
import {
  compileFor,
  located,
  type LocatedViolation,
  readResourceSet,
  type ResourceSet,
  resolvedWorkload,
  type SourceDocument,
  type SourceResource,
  trustDomainOfSet,
} from '../resource-set.ts'
import { type CaseRequest, type PolicyCase, type PolicyTest, readPolicyTest } from './format.ts'

export interface CaseResult {
  readonly test: string
  readonly name: string
  readonly file: string
  readonly line: number
  /** What is not as expected, one text each; empty: passed. */
  readonly differences: readonly string[]
  readonly differsElsewhere: PolicyCase['elsewhere']
}

/** Which of the rules that the tests ran against decided something. */
export interface RuleCoverage {
  /** `namespace/policy/rule`. */
  readonly rule: string
  readonly file: string
  readonly line: number
  readonly cases: number
}

export interface TestRun {
  readonly results: readonly CaseResult[]
  readonly coverage: readonly RuleCoverage[]
  /** Tests and resources that could not be read; nothing ran then. */
  readonly violations: readonly LocatedViolation[]
}

/** Runs every PolicyTest among `tests` against its own resources, or those of `set`. */
export function runPolicyTests(tests: readonly SourceDocument[], set: ResourceSet): TestRun {
  const results: CaseResult[] = []
  const violations: LocatedViolation[] = []
  const shared = new Coverage(set.sources)
  const coverages = [shared]
  for (const source of tests) {
    const test = readPolicyTest(source.document.value)
    if (!('cases' in test)) {
      violations.push(...test.map((violation) => located(source, violation)))
      continue
    }
    const against = test.resources === undefined ? { set, violations: [] } : ownSet(test, source)
    violations.push(...against.violations)
    const workload = workloadOf(test, against.set)
    if (workload === undefined) {
      violations.push(located(source, noWorkload))
      continue
    }
    const compiled = compileFor(against.set.sources, workload)
    violations.push(...compiled.violations)
    const coverage = test.resources === undefined ? shared : new Coverage(against.set.sources)
    if (coverage !== shared) coverages.push(coverage)
    for (const [index, one] of test.cases.entries()) {
      const outcome = decideCase(compiled.policy, one.request)
      for (const rule of rulesNamedBy(outcome)) coverage.touch(rule)
      results.push({
        test: test.name,
        name: one.name,
        file: source.file,
        line: source.document.locate(`cases[${index}]`).line,
        differences: differences(one.expect, outcome),
        differsElsewhere: one.elsewhere,
      })
    }
  }
  return {
    results: violations.length > 0 ? [] : results,
    coverage: coverages.flatMap((coverage) => coverage.list()),
    violations,
  }
}

const noWorkload = {
  field: 'workload',
  code: 'case-workload-unknown',
  message: 'there is no such Workload among the resources: add it, or say its identity with spiffeId',
}

/** The resources that a test brings along, at their places in it. */
function ownSet(test: PolicyTest, { file, document }: SourceDocument): ReturnType<typeof readResourceSet> {
  return readResourceSet(
    (test.resources ?? []).map((value, index) => ({
      file,
      document: {
        value,
        locate: (field) => document.locate(field === '' ? `resources[${index}]` : `resources[${index}].${field}`),
      },
    })),
  )
}

function workloadOf({ workload, spiffeId }: PolicyTest, set: ResourceSet): ResolvedWorkload | undefined {
  const known = set.workload(workload)
  if (known !== undefined) return resolvedWorkload(known)
  const id = spiffeId ?? conventionalId(workload, trustDomainOfSet(set))
  return id === undefined ? undefined : { kind: 'Workload', metadata: workload, spec: { spiffeId: id } }
}

function conventionalId(
  { namespace, name }: PolicyTest['workload'],
  trustDomain: TrustDomain | undefined,
): ResolvedWorkload['spec']['spiffeId'] | undefined {
  return trustDomain === undefined ? undefined : spiffeIdOf(trustDomain, `/ns/${namespace}/sa/${name}`)
}

/** A decision of the policy, or a refusal of the stages before it. */
export type CaseOutcome = Decision | { readonly kind: 'refused'; readonly code: string }

/** The stages of the inbound path that a text can go through: the path is normalised, then the policy is asked. */
export function decideCase(policy: CompiledPolicy, request: CaseRequest): CaseOutcome {
  const normal = normalisePath(request.path ?? '/')
  if (request.protocol === 'http' && !normal.ok) return { kind: 'refused', code: normal.code }
  return decide(policy, decisionRequest(request, normal.ok ? normal.path : undefined))
}

/** What a sidecar would ask the policy; `path` is normalised. */
export function decisionRequest(request: CaseRequest, path: string | undefined): DecisionRequest {
  const { principal, protocol, method, host, port, headers, address, sni, tokens, apiKey, at } = request
  const tcp = protocol === 'tcp'
  return {
    principal:
      principal === 'anonymous' ? { kind: 'anonymous', why: 'plaintext-port' } : { kind: 'peer', id: principal },
    method: tcp ? undefined : (method ?? 'GET'),
    path: tcp ? undefined : path,
    port,
    host,
    address,
    sni,
    headers: tcp ? undefined : (headers ?? []),
    user:
      tokens.length === 0 && apiKey === undefined
        ? noUser
        : {
            tokens: tokens.map(({ issuer, subject, claims }) => ({
              issuer,
              subject,
              claims: { ...claims, iss: issuer, ...(subject === undefined ? {} : { sub: subject }) },
              expiresAtMs: Number.MAX_SAFE_INTEGER,
            })),
            apiKey: apiKey === undefined ? undefined : { ...apiKey, expiresAtMs: Number.MAX_SAFE_INTEGER },
          },
    ...(at === undefined ? {} : { nowMs: at }),
  }
}

function rulesNamedBy(outcome: CaseOutcome): readonly string[] {
  if (outcome.kind === 'refused') return []
  const refs: readonly (RuleRef | undefined)[] = [outcome.rule, outcome.shadow?.rule, ...(outcome.audits ?? [])]
  return refs.flatMap((ref) => (ref === undefined ? [] : [ruleName(ref)]))
}

function differences(expect: PolicyCase['expect'], outcome: CaseOutcome): readonly string[] {
  const refused = outcome.kind === 'refused'
  const denial = outcome.kind === 'denial' ? outcome : undefined
  const actual = {
    decision: outcome.kind === 'permit' ? 'allow' : 'deny',
    rule: refused || outcome.rule === undefined ? undefined : ruleName(outcome.rule),
    code: refused ? outcome.code : denial?.code,
    failed: denial?.nearest?.failed,
    audits: refused ? '' : (outcome.audits ?? []).map(ruleName).toSorted().join(', '),
    shadow: refused || outcome.shadow === undefined ? undefined : outcome.shadow.kind === 'permit' ? 'allow' : 'deny',
  }
  const wanted = { ...expect, audits: expect.audits?.toSorted().join(', ') }
  const found: string[] = []
  for (const part of ['decision', 'rule', 'code', 'failed', 'audits', 'shadow'] as const)
    if (wanted[part] !== undefined && wanted[part] !== actual[part])
      found.push(`${part}: expected ${wanted[part] || 'none'}, got ${actual[part] || 'none'}`)
  if (found.length > 0 && expect.rule === undefined && actual.rule !== undefined) found.push(`rule: ${actual.rule}`)
  if (found.length > 0 && denial?.nearest !== undefined)
    found.push(`nearest: ${ruleName(denial.nearest.rule)}, failed ${denial.nearest.failed}`)
  return found
}

/** The rules of one set of resources, and how many cases each decided. */
class Coverage {
  readonly #sources: readonly SourceResource[]
  readonly #touched = new Map<string, number>()

  constructor(sources: readonly SourceResource[]) {
    this.#sources = sources
  }

  touch(rule: string): void {
    this.#touched.set(rule, (this.#touched.get(rule) ?? 0) + 1)
  }

  list(): readonly RuleCoverage[] {
    return rulesOf(this.#sources).map(({ name, field, source: { file, document } }) => ({
      rule: name,
      file,
      line: document.locate(field).line,
      cases: this.#touched.get(name) ?? 0,
    }))
  }
}
