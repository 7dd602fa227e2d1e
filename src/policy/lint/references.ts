import { namespaceOf, serviceAccountOf } from '../../identity/spiffe-id.ts'
import { nearest } from '../../lib/nearest.ts'
import { matchesHost, parseHostPattern } from '../match/host.ts'
import type { ClaimMatch, RequestAuthentication, SourceMatch } from '../model.ts'
import { governs, isGoverning, type ResourceSet, trustDomainOfSet } from '../resource-set.ts'
import { domainOf } from './covers.ts'
import { type Finding, findingAt, findingOf, type LintCode, type SourceRule } from './finding.ts'

/** Names that rules and resources use and nothing in the set has. */
export function unknownReferences(set: ResourceSet, rules: readonly SourceRule[]): readonly Finding[] {
  const names = knownNames(set)
  return [
    ...missingWorkloads(set),
    ...withoutPolicy(set, rules),
    ...rules.flatMap((rule) => [
      ...(set.workloads.length === 0 ? [] : unknownCallers(rule, names)),
      ...unacceptedUsers(rule, set, names),
      ...(names.hosts.length === 0 ? [] : unknownHosts(rule, names.hosts)),
    ]),
  ]
}

interface KnownNames {
  readonly trustDomain: string | undefined
  readonly ids: ReadonlySet<string>
  readonly namespaces: ReadonlySet<string>
  readonly serviceAccounts: ReadonlySet<string>
  /** Of Services. */
  readonly hosts: readonly string[]
  /** `namespace owner`, of ApiKeys. */
  readonly keyOwners: ReadonlySet<string>
}

function knownNames(set: ResourceSet): KnownNames {
  const ids = set.workloads.map(({ spec }) => spec.spiffeId)
  const keyOwners = set.sources.flatMap(({ resource }) =>
    resource.kind === 'ApiKey' ? [`${resource.metadata.namespace} ${resource.spec.owner}`] : [],
  )
  return {
    trustDomain: trustDomainOfSet(set),
    ids: new Set(ids),
    namespaces: new Set(ids.flatMap((id) => namespaceOf(id) ?? [])),
    serviceAccounts: new Set(ids.flatMap((id) => serviceAccountOf(id) ?? [])),
    hosts: set.sources.flatMap(({ resource }) => {
      if (resource.kind !== 'Service') return []
      const { namespace, name } = resource.metadata
      const full = `${name}.${namespace}`
      return [name, full, `${full}.svc`, `${full}.svc.cluster.local`, ...resource.spec.hosts]
    }),
    keyOwners: new Set(keyOwners),
  }
}

function missingWorkloads(set: ResourceSet): readonly Finding[] {
  return set.sources.filter(isGoverning).flatMap((source) => {
    const { metadata, spec } = source.resource
    return spec.workloads.flatMap((name, index) => {
      if (set.workload({ namespace: metadata.namespace, name }) !== undefined) return []
      const known = set.workloads.flatMap(({ metadata: { namespace, name } }) =>
        namespace === metadata.namespace ? [name] : [],
      )
      const meant = nearest(name, known)
      return findingAt(
        source,
        `spec.workloads[${index}]`,
        'workload-missing',
        `there is no Workload ${metadata.namespace}/${name}: this governs nobody by that name`,
        meant === undefined ? 'add the Workload to these files, or correct the name' : `did you mean ${meant}?`,
      )
    })
  })
}

function withoutPolicy(set: ResourceSet, rules: readonly SourceRule[]): readonly Finding[] {
  const allowing = new Set(
    rules
      .filter(({ policy }) => policy.spec.action === 'ALLOW' && policy.spec.dryRun !== true)
      .map((rule) => rule.policy),
  )
  return set.sources.flatMap((source) => {
    if (source.resource.kind !== 'Workload') return []
    const { metadata } = source.resource
    if ([...allowing].some((policy) => governs(policy, metadata))) return []
    return findingAt(
      source,
      'metadata.name',
      'workload-without-policy',
      `no ALLOW rule governs ${metadata.namespace}/${metadata.name}: every call to it is denied`,
      'that is as it should be for a workload that nobody calls; else write an ALLOW policy',
    )
  })
}

/** Only of the trust domain of the set: who is in another mesh is not known here. */
function unknownCallers(rule: SourceRule, names: KnownNames): readonly Finding[] {
  const { namespace } = rule.policy.metadata
  return (rule.rule.from ?? []).flatMap((source, at) => {
    const ours = source.trustDomains === undefined || source.trustDomains.every((name) => name === names.trustDomain)
    const unknown = (
      key: 'spiffeIds' | 'namespaces' | 'serviceAccounts',
      finding: LintCode,
      isKnown: (value: string) => boolean,
      known: Iterable<string>,
    ): Finding[] =>
      (source[key] ?? []).flatMap((value, index) => {
        if (isKnown(value)) return []
        const meant = nearest(value, [...known])
        const hint = meant === undefined ? 'add the Workload, or correct the name' : `did you mean ${meant}?`
        const message = `no Workload is of ${value}: this matches nobody`
        return findingOf(rule, `from[${at}].${key}[${index}]`, finding, message, hint)
      })
    return [
      ...unknown(
        'spiffeIds',
        'spiffe-id-unknown',
        (id) => id.includes('*') || domainOf(id) !== names.trustDomain || names.ids.has(id),
        names.ids,
      ),
      ...(ours
        ? unknown('namespaces', 'namespace-unknown', (name) => names.namespaces.has(name), names.namespaces)
        : []),
      ...(ours
        ? unknown(
            'serviceAccounts',
            'service-account-unknown',
            (name) => names.serviceAccounts.has(name.includes('/') ? name : `${namespace}/${name}`),
            names.serviceAccounts,
          )
        : []),
    ]
  })
}

/** Conditions on users whose tokens or keys no workload of the rule takes. */
function unacceptedUsers(rule: SourceRule, set: ResourceSet, names: KnownNames): readonly Finding[] {
  const acceptances = acceptancesFor(rule, set)
  const findings: Finding[] = []
  for (const [at, source] of (rule.rule.from ?? []).entries()) {
    findings.push(...unacceptedIssuers(rule, source, at, acceptances))
    if ((source.claims !== undefined || source.requestPrincipals !== undefined) && !takesTokens(acceptances))
      findings.push(
        noTokens(rule, source.claims === undefined ? `from[${at}].requestPrincipals` : `from[${at}].claims`),
      )
    for (const [index, owner] of (source.apiKeyOwners ?? []).entries())
      if (!names.keyOwners.has(`${rule.policy.metadata.namespace} ${owner}`))
        findings.push(
          findingOf(
            rule,
            `from[${at}].apiKeyOwners[${index}]`,
            'api-key-owner-unknown',
            `no ApiKey of namespace ${rule.policy.metadata.namespace} is of ${owner}`,
            'create it with outrider apikey create, or correct the name',
          ),
        )
    if (source.apiKeyOwners !== undefined && !acceptances.some(({ spec }) => spec.apiKeys !== undefined))
      findings.push(
        findingOf(
          rule,
          `from[${at}].apiKeyOwners`,
          'tokens-not-accepted',
          'no RequestAuthentication of these workloads takes API keys: this matches nobody',
          'add a RequestAuthentication with apiKeys',
        ),
      )
  }
  for (const [index, condition] of (rule.rule.when ?? []).entries())
    if ('claim' in condition && !takesTokens(acceptances)) findings.push(noTokens(rule, `when[${index}].claim`))
  return findings
}

/** The RequestAuthentications of some workload that the rule governs. */
function acceptancesFor({ policy }: SourceRule, set: ResourceSet): readonly RequestAuthentication[] {
  return set.sources.flatMap(({ resource }) => {
    if (resource.kind !== 'RequestAuthentication') return []
    if (resource.metadata.namespace !== policy.metadata.namespace) return []
    const [a, b] = [resource.spec.workloads, policy.spec.workloads]
    return a.length === 0 || b.length === 0 || a.some((name) => b.includes(name)) ? [resource] : []
  })
}

function takesTokens(acceptances: readonly RequestAuthentication[]): boolean {
  return acceptances.some(({ spec }) => spec.jwt.length > 0 || spec.introspection.length > 0)
}

function noTokens(rule: SourceRule, field: string): Finding {
  return findingOf(
    rule,
    field,
    'tokens-not-accepted',
    'no RequestAuthentication of these workloads takes tokens: there never is a claim',
    'add a RequestAuthentication with the issuer of the tokens',
  )
}

function unacceptedIssuers(
  rule: SourceRule,
  { requestPrincipals, claims }: SourceMatch,
  at: number,
  acceptances: readonly RequestAuthentication[],
): readonly Finding[] {
  if (!takesTokens(acceptances)) return []
  const issuers = acceptances.flatMap(({ spec }) => [...spec.jwt, ...spec.introspection].map(({ issuer }) => issuer))
  const unaccepted = (field: string, issuer: string): Finding =>
    findingOf(
      rule,
      field,
      'issuer-not-accepted',
      `no RequestAuthentication of these workloads takes tokens of ${issuer}`,
      `accepted are ${[...new Set(issuers)].slice(0, 5).join(', ')}`,
    )
  const principals = (requestPrincipals ?? []).flatMap((principal, index) =>
    principal === '*' || issuers.some((issuer) => principal.startsWith(`${issuer}/`))
      ? []
      : [unaccepted(`from[${at}].requestPrincipals[${index}]`, principal)],
  )
  const named = (claims ?? []).flatMap((claim: ClaimMatch, index) =>
    claim.claim === 'iss'
      ? (claim.values ?? []).flatMap((issuer) =>
          issuer.includes('*') || issuers.includes(issuer) ? [] : [unaccepted(`from[${at}].claims[${index}]`, issuer)],
        )
      : [],
  )
  return [...principals, ...named]
}

function unknownHosts(rule: SourceRule, hosts: readonly string[]): readonly Finding[] {
  return (rule.rule.to ?? []).flatMap((operation, at) =>
    (operation.hosts ?? []).flatMap((text, index) => {
      const pattern = parseHostPattern(text)
      if (hosts.some((host) => matchesHost(pattern, host))) return []
      const meant = nearest(text, hosts)
      return findingOf(
        rule,
        `to[${at}].hosts[${index}]`,
        'host-unknown',
        `no Service has the name ${text}`,
        meant === undefined ? 'add it to the hosts of the Service, or correct it' : `did you mean ${meant}?`,
      )
    }),
  )
}
