import { spokenProtocol } from '../../lib/app-protocol.ts'
import type { OperationMatch, Reference, SourceMatch } from '../model.ts'
import { governs, type ResourceSet } from '../resource-set.ts'
import { isLayer7Condition } from './contradictions.ts'
import { type Finding, findingOf, type SourceRule } from './finding.ts'

/** The ports of a workload by what Services say of them. */
interface Ports {
  readonly tcp: readonly number[]
  readonly others: readonly number[]
}

/**
 * Rules that ask a TCP connection for what it does not have. Such a condition is unknown: the ALLOW rule allows no connection, and
 * the DENY rule denies every one of its callers.
 */
export function layer7OnTcp(set: ResourceSet, rules: readonly SourceRule[]): readonly Finding[] {
  const portsOf = new Map(set.workloads.map(({ metadata }) => [metadata, declaredPorts(set, metadata)] as const))
  return rules.flatMap((rule) => {
    const tcp = new Set<number>()
    const others = new Set<number>()
    for (const [workload, ports] of portsOf) {
      if (!governs(rule.policy, workload)) continue
      for (const port of ports.tcp) tcp.add(port)
      for (const port of ports.others) others.add(port)
    }
    return tcp.size === 0 ? [] : findingsOf(rule, tcp, others)
  })
}

function declaredPorts(set: ResourceSet, workload: Reference): Ports {
  const tcp: number[] = []
  const others: number[] = []
  for (const { resource } of set.sources) {
    if (resource.kind !== 'Service') continue
    const serves = resource.spec.workloads.some(
      ({ namespace, name }) => namespace === workload.namespace && name === workload.name,
    )
    if (!serves) continue
    for (const { port, targetPort, protocol } of resource.spec.ports)
      (spokenProtocol(protocol, port, targetPort) === 'tcp' ? tcp : others).push(targetPort)
  }
  return { tcp, others }
}

function findingsOf(rule: SourceRule, tcp: ReadonlySet<number>, others: ReadonlySet<number>): readonly Finding[] {
  const { action } = rule.policy.spec
  const shared = layer7Field(rule)
  const operations = rule.rule.to ?? [{}]
  return operations.flatMap((operation: OperationMatch, index) => {
    const own = operationField(operation)
    const field = own === undefined ? shared : `to[${index}].${own}`
    if (field === undefined) return []
    const met = [...tcp].filter((port) => isMet(operation, port))
    if (met.length === 0) return []
    const meetsOthers = [...others].some((port) => isMet(operation, port))
    // An ALLOW rule for all ports does its work on the others.
    if (action === 'ALLOW' && meetsOthers) return []
    const effect =
      action === 'ALLOW'
        ? 'this rule allows no connection there'
        : action === 'DENY'
          ? 'this rule denies every connection of its callers there'
          : 'this rule records every connection of its callers there'
    return findingOf(
      rule,
      field,
      'layer7-on-tcp',
      `port ${met.join(', ')} carries TCP, which has no ${field
        .split('.')
        .at(-1)
        ?.replace(/\[\d+\]$/, '')}: ${effect}`,
      'name the ports that it is about with ports, or use conditions on callers and ports only',
    )
  })
}

function isMet({ ports, notPorts }: OperationMatch, port: number): boolean {
  return (ports === undefined || ports.includes(port)) && notPorts?.includes(port) !== true
}

const layer7Operations = [
  'methods',
  'notMethods',
  'paths',
  'notPaths',
  'hosts',
  'notHosts',
  'grpcMethods',
  'notGrpcMethods',
] as const
const layer7Sources = [
  'requestPrincipals',
  'notRequestPrincipals',
  'claims',
  'apiKeyOwners',
  'notApiKeyOwners',
  'apiKeyScopes',
] as const

function operationField(operation: OperationMatch): string | undefined {
  return layer7Operations.find((key) => operation[key] !== undefined)
}

/** A condition of the rule that all of its operations share. Of `from` only when no entry can do without. */
function layer7Field({ rule }: SourceRule): string | undefined {
  const when = (rule.when ?? []).findIndex(isLayer7Condition)
  if (when !== -1) return `when[${when}]`
  const keys = (rule.from ?? []).map((source: SourceMatch) => layer7Sources.find((key) => source[key] !== undefined))
  const [first] = keys
  return first === undefined || keys.includes(undefined) ? undefined : `from[0].${first}`
}
