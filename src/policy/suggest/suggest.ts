import { pathOf, type SpiffeId } from '../../identity/spiffe-id.ts'
import { coversPath } from '../lint/patterns.ts'
import { apiVersion, type Workload } from '../model.ts'
import type { ResourceSet } from '../resource-set.ts'
import { MAX_LIST } from '../validate/readers.ts'
import type { Observations, Observed } from './observations.ts'
import type { Seen, Template } from './templates.ts'

/** Seen less often than this, a path is marked for review. */
const RARE = 10

/** One entry of `to`: paths of one port that take the same methods. */
interface Operation {
  readonly port: number
  /** Absent: TCP connections. */
  readonly methods: readonly string[] | undefined
  readonly paths: readonly Template[]
  readonly seen: Seen
}

interface Rule {
  readonly callers: readonly SpiffeId[]
  readonly user: Observed['user']
  readonly operations: readonly Operation[]
}

/**
 * AuthorizationPolicies, as YAML, that allow what was observed: each caller by its own SPIFFE ID, its methods, paths and ports, and the
 * kind of user where its requests always had one. What a person should look at has the word REVIEW in a comment.
 */
export function suggestPolicies(observations: Observations, set: ResourceSet): string {
  const byWorkload = Map.groupBy(observations.list, ({ workload }) => workload)
  const parts: string[] = [header(observations)]
  for (const [id, observed] of [...byWorkload].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const workload = set.workloadOf(id)
    if (workload === undefined) {
      parts.push(`# NOT SUGGESTED: no Workload has the identity ${id} that was called\n`)
      continue
    }
    const rules = mergeCallers([...Map.groupBy(observed, callerAndUser).values()].flatMap(ruleOf))
    parts.push(...policies(workload, withoutCovered(rules), set))
  }
  return parts.join('---\n')
}

function header({ taken, leftOut }: Observations): string {
  const rest = Object.entries(leftOut).flatMap(([why, count]) => (count === 0 ? [] : [`${count} ${why}`]))
  const left = rest.length === 0 ? '' : `# Left out: ${rest.join(', ')}.\n`
  return `# Suggested from ${taken} requests that were allowed and answered with a status below 400.\n${left}# Read every line with REVIEW before it is applied.\n`
}

function callerAndUser({ caller, user }: Observed): string {
  return JSON.stringify([caller, user ?? null])
}

/** What was observed of one caller with one kind of user. */
function ruleOf(observed: readonly Observed[]): readonly Rule[] {
  const [first] = observed
  if (first === undefined) return []
  const operations = observed.toSorted((a, b) => a.port - b.port).flatMap(operationsOf)
  return [{ callers: [first.caller], user: first.user, operations }]
}

function operationsOf({ port, paths, tcp }: Observed): readonly Operation[] {
  const byMethods = Map.groupBy(paths.list(), ({ methods }) => [...methods.keys()].toSorted().join(' '))
  const operations = [...byMethods].flatMap(([methods, templates]) =>
    chunks(templates, MAX_LIST).map((part) => ({ port, methods: methods.split(' '), paths: part, seen: seenOf(part) })),
  )
  return tcp === undefined ? operations : [{ port, methods: undefined, paths: [], seen: tcp }, ...operations]
}

function seenOf(templates: readonly Template[]): Seen {
  const all = templates.flatMap(({ methods }) => [...methods.values()])
  return {
    count: all.reduce((sum, { count }) => sum + count, 0),
    lastMs: all.reduce((last, { lastMs }) => Math.max(last, lastMs), 0),
  }
}

/** What a caller does without a user it may do with one as well: only the rest is asked for a user. */
function withoutCovered(rules: readonly Rule[]): readonly Rule[] {
  return rules.flatMap((rule) => {
    if (rule.user === undefined) return [rule]
    const free = rules.filter(
      ({ user, callers }) => user === undefined && rule.callers.every((caller) => callers.includes(caller)),
    )
    const operations = rule.operations.flatMap((operation) => {
      const wide = free.flatMap((other) => other.operations).filter((other) => coversMethods(other, operation))
      const paths = operation.paths.filter(
        ({ path }) =>
          !wide.some((other) => other.methods === undefined || other.paths.some((one) => coversPath(one.path, path))),
      )
      return paths.length === 0 ? [] : [{ ...operation, paths }]
    })
    return operations.length === 0 ? [] : [{ ...rule, operations }]
  })
}

function coversMethods(wide: Operation, narrow: Operation): boolean {
  return (
    wide.port === narrow.port &&
    (wide.methods === undefined || narrow.methods?.every((method) => wide.methods?.includes(method)) === true)
  )
}

/** Callers that do the very same share a rule. */
function mergeCallers(rules: readonly Rule[]): readonly Rule[] {
  const same = Map.groupBy(rules, ({ user, operations }) =>
    JSON.stringify([
      user ?? null,
      operations.map(({ port, methods, paths }) => [port, methods ?? null, paths.map(({ path }) => path)]),
    ]),
  )
  return [...same.values()].flatMap((group) =>
    chunks(group, MAX_LIST).map((part) => ({
      user: part[0]!.user,
      callers: part.flatMap(({ callers }) => callers).toSorted(),
      operations: part.length === 1 ? part[0]!.operations : sumOf(part),
    })),
  )
}

function sumOf(rules: readonly Rule[]): readonly Operation[] {
  return rules[0]!.operations.map((operation, at) => {
    const same = rules.map(({ operations }) => operations[at]!)
    return {
      ...operation,
      seen: {
        count: same.reduce((sum, { seen }) => sum + seen.count, 0),
        lastMs: same.reduce((last, { seen }) => Math.max(last, seen.lastMs), 0),
      },
      paths: operation.paths.map((template, index) => ({
        ...template,
        methods: mergedMethods(same.map(({ paths }) => paths[index]!.methods)),
      })),
    }
  })
}

function mergedMethods(all: readonly ReadonlyMap<string, Seen>[]): ReadonlyMap<string, Seen> {
  const merged = new Map<string, Seen>()
  for (const methods of all)
    for (const [method, { count, lastMs }] of methods) {
      const known = merged.get(method)
      merged.set(method, {
        count: (known?.count ?? 0) + count,
        lastMs: Math.max(known?.lastMs ?? 0, lastMs),
      })
    }
  return merged
}

function policies({ metadata }: Workload, rules: readonly Rule[], set: ResourceSet): readonly string[] {
  const whole = rules.flatMap((rule) =>
    chunks(rule.operations, MAX_LIST).map((operations): Rule => ({ ...rule, operations })),
  )
  return chunks(whole, MAX_LIST).map((part, index) => {
    const suffix = index === 0 ? '' : `-${index + 1}`
    // A name has at most 63 characters.
    const name = `suggested-${metadata.name.slice(0, 63 - 'suggested-'.length - suffix.length).replace(/-$/, '')}${suffix}`
    const names = new Set<string>()
    return [
      `apiVersion: ${apiVersion}\nkind: AuthorizationPolicy\n`,
      `metadata: { name: ${quoted(name)}, namespace: ${quoted(metadata.namespace)} }\n`,
      `spec:\n  workloads: [${quoted(metadata.name)}]\n  action: ALLOW\n  rules:\n`,
      ...part.map((rule) => ruleText(rule, names, set)),
    ].join('')
  })
}

function ruleText({ callers, user, operations }: Rule, names: Set<string>, set: ResourceSet): string {
  const lines = [`    - name: ${quoted(ruleLabel(callers, names))}`, '      from:', '        - spiffeIds:']
  for (const caller of callers) {
    const known = set.workloadOf(caller) !== undefined
    lines.push(
      `            - ${quoted(caller)}${known ? '' : ' # REVIEW: no Workload of these files has this identity'}`,
    )
  }
  if (user !== undefined)
    lines.push(
      'issuer' in user
        ? `          claims: [{ claim: iss, values: [${quoted(user.issuer)}] }] # REVIEW: which users?`
        : `          apiKeyOwners: [${quoted(user.owner)}]`,
    )
  lines.push('      to:')
  for (const operation of operations) lines.push(...operationLines(operation))
  return `${lines.join('\n')}\n`
}

function operationLines({ port, methods, paths, seen }: Operation): readonly string[] {
  if (methods === undefined)
    return [`        - ports: [${port}] # ${seen.count < RARE ? 'REVIEW: ' : ''}TCP, ${seenText(seen)}`]
  return [
    `        - ports: [${port}]`,
    `          methods: [${methods.map(quoted).join(', ')}]`,
    '          paths:',
    ...paths.map(pathLine),
  ]
}

function pathLine({ path, methods, stars }: Template): string {
  const seen = seenOf([{ path, methods, stars }])
  const values = stars.map(({ examples, count }) => `{*} was ${count} values, such as ${examples.join(', ')}`)
  const review = seen.count < RARE || stars.length > 0 ? 'REVIEW: ' : ''
  return `            - ${quoted(path)} # ${[`${review}${seenText(seen)}`, ...values].join('; ')}`
}

function seenText({ count, lastMs }: Seen): string {
  return `seen ${count === 1 ? 'once' : `${count} times`}, last ${new Date(lastMs).toISOString()}`
}

/** By the last segment of the first caller. */
function ruleLabel([caller]: readonly SpiffeId[], names: Set<string>): string {
  const last = caller === undefined ? '' : (pathOf(caller).split('/').at(-1) ?? '')
  const label = last
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-$/, '')
  const base = label === '' ? 'caller' : label
  let name = base
  for (let number = 2; names.has(name); number += 1) name = `${base}-${number}`
  names.add(name)
  return name
}

/** A JSON string is one of YAML, and never anything else. */
function quoted(text: string): string {
  return JSON.stringify(text)
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const parts: (readonly T[])[] = []
  for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size))
  return parts
}
