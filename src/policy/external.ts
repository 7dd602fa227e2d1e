import { isOfThisMachine, parseServerAddress } from '../lib/server-address.ts'
import { OutriderError } from '../lib/errors.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { DecisionRequest } from './decision.ts'
import { type ExternalAuthorization, nameOf, type ResourceViolation } from './model.ts'
import { Query } from './query.ts'
import { matchesOperation, type OperationMatcher } from './rule.ts'

/** A server that is asked about requests that the rules allow. */
export interface CompiledExternal {
  /** `namespace/name`. */
  readonly label: string
  /** `host:port` or `unix:/path`. */
  readonly address: string
  readonly spiffeId: SpiffeId | undefined
  readonly timeoutMs: number
  readonly onFailure: 'deny' | 'allow'
  /** Absent: it is asked about every request. */
  readonly to: readonly OperationMatcher[] | undefined
  /** Names of the headers that it is shown; absent: all. */
  readonly headers: ReadonlySet<string> | undefined
}

/** Each may take its whole time, one after the other. */
export const MAX_EXTERNAL = 4

/** Throws `external-address` unless it is `host:port` or `unix:` and an absolute path. */
export function checkExternalAddress(text: string): void {
  const address = parseServerAddress(text)
  if (address !== undefined && ('path' in address || address.port !== 0)) return
  const shown = JSON.stringify(text.slice(0, 100))
  throw new OutriderError('external-address', `an address is HOST:PORT or unix:/path/of/a/socket, not ${shown}`)
}

/** Whether nobody but this machine can be behind it: then it may be asked without TLS. */
export function needsNoIdentity(text: string): boolean {
  const address = parseServerAddress(text)
  return address !== undefined && isOfThisMachine(address)
}

/** In the order of their names. One that is too many is a violation, which has to close the workload. */
export function compileExternal(
  resources: readonly ExternalAuthorization[],
  operations: (resource: ExternalAuthorization) => readonly OperationMatcher[] | undefined,
): { readonly external: readonly CompiledExternal[]; readonly violations: readonly ResourceViolation[] } {
  const violations = resources.slice(MAX_EXTERNAL).map((resource) => ({
    resource: nameOf(resource),
    field: 'spec.workloads',
    code: 'external-too-many',
    message: `${MAX_EXTERNAL} servers are asked for this workload already, and that is the limit`,
  }))
  const external = resources.map((resource) => {
    const { metadata, spec } = resource
    const { address, spiffeId, timeoutMs, onFailure, headers } = spec
    return {
      label: `${metadata.namespace}/${metadata.name}`,
      address,
      spiffeId,
      timeoutMs,
      onFailure,
      to: operations(resource),
      headers: headers === undefined ? undefined : new Set(headers),
    }
  })
  return { external, violations }
}

/** The servers that are asked about this request. Where it cannot be known, such as by the path of a TCP connection, they are. */
export function concerned(
  external: readonly CompiledExternal[],
  request: DecisionRequest,
): readonly CompiledExternal[] {
  const query = new Query(request)
  return external.filter(({ to }) => to === undefined || to.some((operation) => matchesOperation(operation, query)))
}
