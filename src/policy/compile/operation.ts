import { type Criterion, type CriterionForm, type Membership, within, without } from '../criterion.ts'
import { type GrpcMethods, grpcMethodsOf, matchesGrpcPath, parseGrpcMethod } from '../match/grpc.ts'
import { type HostPattern, matchesHost, parseHostPattern } from '../match/host.ts'
import { parseMethod } from '../match/method.ts'
import { matchesPath, parsePath, type PathPattern } from '../match/path.ts'
import { parsePort } from '../match/port.ts'
import type { OperationMatch } from '../model.ts'
import { parseEntries, parseList, setOf, type Violations } from '../parse-list.ts'
import type { Query } from '../query.ts'
import type { OperationMatcher } from '../rule.ts'
import type { Truth } from '../truth.ts'

/** A list `to`: of rules, and of whatever else is about some requests only, which says how it takes what is unknown. */
export function compileOperations(
  to: readonly OperationMatch[] | undefined,
  field: string,
  onUnknown: boolean,
  violations: Violations,
): readonly OperationMatcher[] | undefined {
  return parseEntries(to, `${field}.to`, violations, (operation, at) =>
    compileOperation(operation, at, onUnknown, violations),
  )
}

function compileOperation(
  operation: OperationMatch,
  field: string,
  onUnknown: boolean,
  violations: Violations,
): OperationMatcher {
  const criteria: Criterion[] = []
  const read = <K extends keyof OperationMatch, T>(
    name: K,
    parse: (value: ValueOf<K>) => T,
  ): readonly T[] | undefined =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the list of that very name
    parseList(operation[name] as readonly ValueOf<K>[] | undefined, `${field}.${name}`, parse, violations)
  const add = <T>(
    values: T | undefined,
    make: (form: CriterionForm, member: Membership) => Criterion,
    form: Omit<CriterionForm, 'onUnknown'>,
    member: (values: T, query: Query) => Truth | undefined,
  ): void => {
    if (values !== undefined) criteria.push(make({ onUnknown, ...form }, (query) => member(values, query)))
  }

  const ports = setOf(read('ports', parsePort))
  const ofPorts: Member<ReadonlySet<number>> = (list, { port }) => list.has(port)
  add(ports, within, { name: 'ports' }, ofPorts)
  add(setOf(read('notPorts', parsePort)), without, { name: 'notPorts' }, ofPorts)

  const hosts = read('hosts', parseHostPattern)
  const notHosts = read('notHosts', parseHostPattern)
  const ofHosts: Member<readonly HostPattern[]> = (list, { host }) =>
    host === undefined ? undefined : list.some((pattern) => matchesHost(pattern, host))
  add(hosts, within, { name: 'hosts', layer7: true, checks: hosts?.length ?? 1 }, ofHosts)
  add(notHosts, without, { name: 'notHosts', layer7: true, checks: notHosts?.length ?? 1 }, ofHosts)

  const paths = read('paths', parsePath)
  const notPaths = read('notPaths', parsePath)
  const ofPaths: Member<readonly PathPattern[]> = (list, { path }) =>
    path === undefined ? undefined : list.some((pattern) => matchesPath(pattern, path))
  add(paths, within, { name: 'paths', layer7: true, checks: paths?.length ?? 1 }, ofPaths)
  add(notPaths, without, { name: 'notPaths', layer7: true, checks: notPaths?.length ?? 1 }, ofPaths)

  const ofMethods: Member<ReadonlySet<string>> = (list, { method }) =>
    method === undefined ? undefined : list.has(method)
  add(setOf(read('methods', parseMethod)), within, { name: 'methods', layer7: true }, ofMethods)
  add(setOf(read('notMethods', parseMethod)), without, { name: 'notMethods', layer7: true }, ofMethods)

  add(grpcMethods(read('grpcMethods', parseGrpcMethod)), within, { name: 'grpcMethods', layer7: true }, ofGrpc)
  add(grpcMethods(read('notGrpcMethods', parseGrpcMethod)), without, { name: 'notGrpcMethods', layer7: true }, ofGrpc)
  return { criteria, hosts, ports, paths }
}

type ValueOf<K extends keyof OperationMatch> = NonNullable<OperationMatch[K]>[number]
/** Whether what is asked for is in the list; `undefined` when the request does not have it. */
type Member<T> = (list: T, query: Query) => Truth | undefined

function grpcMethods(texts: readonly string[] | undefined): GrpcMethods | undefined {
  return texts === undefined ? undefined : grpcMethodsOf(texts)
}

/**
 * What is no gRPC call has no gRPC method. At the path of one that is listed it is unknown all the same: there are servers that
 * take the call in another encoding, and a DENY rule must hold for these.
 */
function ofGrpc(list: GrpcMethods, { path, isGrpc }: Query): Truth | undefined {
  const listed = path !== undefined && matchesGrpcPath(list, path)
  return isGrpc ? listed : listed ? 'unknown' : undefined
}
