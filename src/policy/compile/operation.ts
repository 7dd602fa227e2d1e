import { listCriterion } from '../criterion.ts'
import type { Truth } from '../truth.ts'
import { type GrpcMethods, grpcMethodsOf, matchesGrpcPath, parseGrpcMethod } from '../match/grpc.ts'
import { type HostPattern, matchesHost, parseHostPattern } from '../match/host.ts'
import { parseMethod } from '../match/method.ts'
import { matchesPath, parsePath, type PathPattern } from '../match/path.ts'
import { parsePort } from '../match/port.ts'
import type { OperationMatch } from '../model.ts'
import { parseEntries, type Violations } from '../parse-list.ts'
import type { Query } from '../query.ts'
import { exactOf, isExactly, type OperationMatcher, type PathSet } from '../rule.ts'
import { itself, ListCompiler, type ListForm, SharedLists, toSet } from './lists.ts'

/** A list `to`: of rules, and of whatever else is about some requests only, which says how it takes what is unknown. */
export function compileOperations(
  to: readonly OperationMatch[] | undefined,
  field: string,
  onUnknown: boolean,
  violations: Violations,
  shared: SharedLists = new SharedLists(),
): readonly OperationMatcher[] | undefined {
  return parseEntries(to, `${field}.to`, violations, (operation, at) =>
    compileOperation(operation, new ListCompiler(at, onUnknown, violations, shared)),
  )
}

function compileOperation(operation: OperationMatch, lists: ListCompiler): OperationMatcher {
  const { methods, notMethods, grpcMethods, notGrpcMethods } = operation
  const ports = lists.add(portList, operation.ports, operation.notPorts)
  const hosts = lists.add(hostList, operation.hosts, operation.notHosts)
  const paths = lists.add(pathList, operation.paths, operation.notPaths)
  lists.add(methodList, methods, notMethods)
  const grpc = lists.add(grpcList, grpcMethods, notGrpcMethods)
  return { criteria: lists.criteria, hosts, ports, paths, grpc }
}

const portList: ListForm<number, number, ReadonlySet<number>> = {
  name: 'ports',
  negation: 'notPorts',
  parse: parsePort,
  collect: toSet,
  member: (ports, { port }) => ports.has(port),
}

const hostList: ListForm<string, HostPattern, readonly HostPattern[]> = {
  name: 'hosts',
  negation: 'notHosts',
  layer7: true,
  parse: parseHostPattern,
  collect: itself,
  checks: (hosts) => hosts.length,
  member: (hosts, { host }) => (host === undefined ? undefined : hosts.some((pattern) => matchesHost(pattern, host))),
}

const pathList: ListForm<string, PathPattern, PathSet> = {
  name: 'paths',
  negation: 'notPaths',
  layer7: true,
  parse: parsePath,
  collect: pathSetOf,
  checks: ({ others }) => 1 + others.length,
  member: ({ exact, others }, { path }) =>
    path === undefined ? undefined : isExactly(exact, path) || others.some((pattern) => matchesPath(pattern, path)),
  shorter: (form, negated, { exact, others }) =>
    others.length === 0 && typeof exact === 'string'
      ? listCriterion(form, negated, exact, isPath)
      : exact === undefined && others.length === 1
        ? listCriterion(form, negated, others[0]!, isLikePath)
        : undefined,
}

function isPath(exact: string, { path }: Query): boolean | undefined {
  return path === undefined ? undefined : path === exact
}

function isLikePath(pattern: PathPattern, { path }: Query): boolean | undefined {
  return path === undefined ? undefined : matchesPath(pattern, path)
}

function pathSetOf(patterns: readonly PathPattern[]): PathSet {
  const exact = patterns.filter((pattern) => pattern.kind === 'exact').map(({ path }) => path)
  const others = patterns.filter((pattern) => pattern.kind !== 'exact')
  return { exact: exactOf(exact), others: others.length === 0 ? noPatterns : others }
}

const noPatterns: readonly PathPattern[] = []

const methodList: ListForm<string, string, ReadonlySet<string>> = {
  name: 'methods',
  negation: 'notMethods',
  layer7: true,
  parse: parseMethod,
  collect: toSet,
  member: (methods, { method }) => (method === undefined ? undefined : methods.has(method)),
}

const grpcList: ListForm<string, string, GrpcMethods> = {
  name: 'grpcMethods',
  negation: 'notGrpcMethods',
  layer7: true,
  parse: parseGrpcMethod,
  collect: grpcMethodsOf,
  member: ofGrpc,
}

/**
 * What is no gRPC call has no gRPC method. At the path of one that is listed it is unknown all the same: there are servers that
 * take the call in another encoding, and a DENY rule must hold for these.
 */
function ofGrpc(list: GrpcMethods, { path, isGrpc }: Query): Truth | undefined {
  const listed = path !== undefined && matchesGrpcPath(list, path)
  return isGrpc ? listed : listed ? 'unknown' : undefined
}
