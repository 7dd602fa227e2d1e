import { OutriderError } from '../../lib/errors.ts'
import { decisionRequest } from '../../policy/cases/run.ts'
import { type Decision, type DecisionRequest, ruleName } from '../../policy/decision.ts'
import { explain as explainDecision, type ExplanationStep } from '../../policy/explain.ts'
import { type HeldCondition, holdConditions } from '../../policy/held.ts'
import type { ResolvedWorkload } from '../../policy/model.ts'
import { normalisePath } from '../../policy/normalise.ts'
import { type RecordedRequest, Replayer } from '../../policy/replay/replayer.ts'
import { compileFor, type ResourceSet, resolvedWorkload } from '../../policy/resource-set.ts'
import { parseName } from '../admin.ts'
import { exitCode } from '../command.ts'
import { type Json, print, printable } from '../output.ts'
import type { PolicyContext } from './context.ts'
import { readAccessLogs } from './log.ts'
import { readSet, refuse } from './read.ts'
import { requestOf } from './request.ts'

/** Rules that are shown with all their conditions; the others are counted. */
const MAX_SHOWN = 10

/** A question to a policy, or why it is none. */
interface Asked {
  readonly workload: ResolvedWorkload
  readonly request: DecisionRequest
}

/** `outrider policy explain`: one request, and why it is decided as it is. */
export async function explain(context: PolicyContext): Promise<number> {
  const set = await readSet(context)
  const asked =
    context.options['request-id'] === undefined ? askedByOptions(set, context) : await askedByLog(set, context)
  if (asked === undefined) return exitCode.ok
  const { workload, request } = asked
  const { policy, violations } = compileFor(set.sources, workload)
  refuse(violations, context.stderr)
  const explanation = explainDecision(policy, request)
  const { decision, steps, omitted } = explanation
  const shown = chosen(steps, decision)
  const rules = shown.map((step) => ({ step, conditions: conditionsOf(step, set, asked) }))
  const { options, stdout } = context
  if (options.output === 'table') {
    stdout.write(`${printable(requestText(request, workload))}\n`)
    stdout.write(`${printable(decisionText(decision))}\n`)
    for (const { step, conditions } of rules) stdout.write(stepText(step, conditions))
    const rest = steps.length - shown.length + omitted
    if (rest > 0) stdout.write(`${rest} further rules do not match\n`)
  } else print(stdout, options.output, json(decision, rules, asked), () => ({ columns: [], rows: [], empty: '' }))
  return exitCode.ok
}

function askedByOptions(set: ResourceSet, context: PolicyContext): Asked | undefined {
  const { options, stdout } = context
  if (options.workload === undefined)
    throw new OutriderError(
      'usage-arguments',
      'say who is called with --workload, or which request with --log and --request-id',
    )
  const reference = parseName(options.workload, undefined)
  const workload = set.workload(reference)
  if (workload === undefined)
    throw new OutriderError(
      'resource-not-found',
      `there is no Workload ${reference.namespace}/${reference.name} among the resources`,
    )
  const request = requestOf(context)
  const normal = normalisePath(request.path ?? '/')
  if (request.protocol === 'http' && !normal.ok) {
    stdout.write(`DENIED: ${normal.code}: the path is refused before any rule sees it\n`)
    return undefined
  }
  return {
    workload: resolvedWorkload(workload),
    request: decisionRequest(request, normal.ok ? normal.path : undefined),
  }
}

async function askedByLog(set: ResourceSet, context: PolicyContext): Promise<Asked | undefined> {
  const { options, stdout } = context
  const wanted = options['request-id']
  let found: RecordedRequest | undefined
  await readAccessLogs(context, (request) => {
    if (request.requestId === wanted) found = request
  })
  if (found === undefined)
    throw new OutriderError('resource-not-found', `no policy was asked about a request ${wanted} in these logs`)
  const workload = set.workloadOf(found.workload)
  const replayed = new Replayer(set).decide(found)
  stdout.write(printable(`decided then: ${found.decided}${found.rule === undefined ? '' : ` by ${found.rule}`}`) + '\n')
  if (workload === undefined || replayed.outcome === 'undecidable') {
    stdout.write(
      printable(`UNDECIDABLE: ${replayed.outcome === 'undecidable' ? replayed.because : 'no Workload'}`) + '\n',
    )
    return undefined
  }
  return { workload: resolvedWorkload(workload), request: found.request }
}

/** What decided first, then what was considered, then what came closest. */
function chosen(steps: readonly ExplanationStep[], decision: Decision): readonly ExplanationStep[] {
  const named = new Set(
    [decision.rule, decision.kind === 'denial' ? decision.nearest?.rule : undefined].flatMap((ref) =>
      ref === undefined ? [] : [ruleName(ref)],
    ),
  )
  const rank = (step: ExplanationStep): number =>
    named.has(ruleName(step)) ? 0 : step.matched ? 1 : step.considered ? 2 : 3 + step.failed.length
  return steps.toSorted((a, b) => rank(a) - rank(b)).slice(0, MAX_SHOWN)
}

function conditionsOf(step: ExplanationStep, set: ResourceSet, { workload, request }: Asked): readonly HeldCondition[] {
  const resource = set.find(step.policy)?.resource
  if (resource?.kind !== 'AuthorizationPolicy') return []
  const rule = resource.spec.rules.find(({ name }, index) => (name ?? `rules[${index}]`) === step.rule)
  return rule === undefined ? [] : holdConditions(resource, rule, workload, request)
}

function requestText({ principal, method, path, port }: DecisionRequest, { metadata }: ResolvedWorkload): string {
  const who = principal.kind === 'peer' ? principal.id : 'an anonymous caller'
  const what = method === undefined ? 'a TCP connection' : `${method} ${path}`
  return `${who} asks ${metadata.namespace}/${metadata.name} for ${what} at port ${port}`
}

function decisionText(decision: Decision): string {
  const { audits = [], shadow } = decision
  const lines = [
    ...audits.map((ref) => `recorded by the AUDIT rule ${ruleName(ref)}`),
    ...(shadow === undefined
      ? []
      : [`with the dry-run policies in force it would be ${shadow.kind === 'permit' ? 'allowed' : 'denied'}`]),
  ]
  return [verdictText(decision), ...lines].join('; ')
}

function verdictText(decision: Decision): string {
  if (decision.kind === 'permit') return `ALLOWED by ${ruleName(decision.rule)}`
  const { code, rule, nearest, detail } = decision
  if (rule !== undefined) return `DENIED by ${ruleName(rule)} (${code})`
  if (detail !== undefined) return `DENIED: ${detail} (${code})`
  if (nearest === undefined) return `DENIED: there is no ALLOW rule for this workload (${code})`
  return `DENIED: no ALLOW rule matches (${code}); the nearest is ${ruleName(nearest.rule)}, where ${nearest.failed} fails`
}

function stepText(step: ExplanationStep, conditions: readonly HeldCondition[]): string {
  const state = !step.inForce ? 'not in force at this time' : step.matched ? 'matches' : 'does not match'
  const dryRun = step.dryRun ? ' (dry run)' : ''
  const lines = conditions.map(
    ({ field, holds, wants, has }) => `    ${holds ? 'holds' : 'FAILS'}  ${field}: wants ${wants}; has ${has}`,
  )
  if (conditions.length === 0) lines.push('    it has no conditions')
  return [`${step.action} ${ruleName(step)}${dryRun}: ${state}`, ...lines]
    .map((line) => `${printable(line)}\n`)
    .join('')
}

function json(
  decision: Decision,
  rules: readonly { readonly step: ExplanationStep; readonly conditions: readonly HeldCondition[] }[],
  { workload: { metadata } }: Asked,
): Json {
  const denial = decision.kind === 'denial' ? decision : undefined
  return {
    workload: `${metadata.namespace}/${metadata.name}`,
    decision: decision.kind === 'permit' ? 'allow' : 'deny',
    rule: decision.rule === undefined ? undefined : ruleName(decision.rule),
    code: denial?.code,
    detail: denial?.detail,
    nearest: denial?.nearest === undefined ? undefined : ruleName(denial.nearest.rule),
    failed: denial?.nearest?.failed,
    audits: (decision.audits ?? []).map(ruleName),
    shadow: decision.shadow === undefined ? undefined : decision.shadow.kind === 'permit' ? 'allow' : 'deny',
    rules: rules.map(({ step, conditions }) => ({
      rule: ruleName(step),
      action: step.action,
      dryRun: step.dryRun,
      inForce: step.inForce,
      matched: step.matched,
      considered: step.considered,
      failed: step.failed,
      conditions: conditions.map((condition) => ({ ...condition })),
    })),
  }
}
