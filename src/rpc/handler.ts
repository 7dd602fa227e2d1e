import type grpc from '@grpc/grpc-js'
import { OutriderError } from '../lib/errors.ts'
import type { AdminServiceHandlers } from '../wire/outrider/admin/v1/AdminService.ts'
import type { IdentityServiceHandlers } from '../wire/outrider/identity/v1/IdentityService.ts'
import type { EncodedPolicyUpdate } from '../wire/outrider/policy/v1/EncodedPolicyUpdate.ts'
import type { SubscribeRequest__Output } from '../wire/outrider/policy/v1/SubscribeRequest.ts'
import type { SecretDiscoveryServiceHandlers } from '../wire/envoy/service/secret/v3/SecretDiscoveryService.ts'
import type { AuthorizationHandlers as AuthorizationServiceHandlers } from '../wire/envoy/service/auth/v3/Authorization.ts'
import type { HealthHandlers as GrpcHealthHandlers } from '../wire/grpc/health/v1/Health.ts'
import type { SpiffeWorkloadAPIHandlers } from '../wire/SpiffeWorkloadAPI.ts'
import { toStatus } from './errors.ts'
import { protocols } from './load.ts'
import {
  type AuthenticatedCaller,
  type Caller,
  type LocalCaller,
  type RenewingCaller,
  requireIdentity,
  requireLocal,
  requireRenewable,
} from './peer.ts'
import { type Endable, openDuplex, openStream, type ServerDuplex, type ServerStream } from './stream.ts'

/** Input and output of a method, taken from the generated handler types. */
type Unary<Method, Who> =
  Method extends grpc.handleUnaryCall<infer In, infer Out> ? (request: In, caller: Who) => Out | Promise<Out> : never
type ServerStreaming<Method, Who> =
  Method extends grpc.handleServerStreamingCall<infer In, infer Out>
    ? (request: In, stream: ServerStream<Out>, caller: Who) => void
    : never
type Bidi<Method, Who> =
  Method extends grpc.handleBidiStreamingCall<infer In, infer Out>
    ? (stream: ServerDuplex<In, Out>, caller: Who) => void
    : never

/** The identity service: `Attest` alone may be called without an identity. */
export interface IdentityHandlers {
  readonly attest: Unary<IdentityServiceHandlers['Attest'], Caller>
  readonly renew: Unary<IdentityServiceHandlers['Renew'], RenewingCaller>
  readonly issueJwtSvid: Unary<IdentityServiceHandlers['IssueJwtSvid'], AuthenticatedCaller>
  readonly watchTrustBundles: ServerStreaming<IdentityServiceHandlers['WatchTrustBundles'], AuthenticatedCaller>
}

export interface PolicyHandlers {
  /** Its updates are `PolicyUpdate`s on the wire. */
  readonly subscribe: (
    stream: ServerDuplex<SubscribeRequest__Output, EncodedPolicyUpdate>,
    caller: AuthenticatedCaller,
  ) => void
}

export interface AdminHandlers {
  readonly apply: Unary<AdminServiceHandlers['Apply'], Caller>
  readonly applyCanary: Bidi<AdminServiceHandlers['ApplyCanary'], Caller>
  readonly get: Unary<AdminServiceHandlers['Get'], Caller>
  readonly list: Unary<AdminServiceHandlers['List'], Caller>
  readonly delete: Unary<AdminServiceHandlers['Delete'], Caller>
  readonly watch: ServerStreaming<AdminServiceHandlers['Watch'], Caller>
  readonly createToken: Unary<AdminServiceHandlers['CreateToken'], Caller>
  readonly listTokens: Unary<AdminServiceHandlers['ListTokens'], Caller>
  readonly revokeToken: Unary<AdminServiceHandlers['RevokeToken'], Caller>
  readonly createApiKey: Unary<AdminServiceHandlers['CreateApiKey'], Caller>
  readonly rotateApiKey: Unary<AdminServiceHandlers['RotateApiKey'], Caller>
  readonly revokeApiKey: Unary<AdminServiceHandlers['RevokeApiKey'], Caller>
  readonly listApiKeys: Unary<AdminServiceHandlers['ListApiKeys'], Caller>
  readonly listSidecars: Unary<AdminServiceHandlers['ListSidecars'], Caller>
  readonly getStatus: Unary<AdminServiceHandlers['GetStatus'], Caller>
  readonly getBundle: Unary<AdminServiceHandlers['GetBundle'], Caller>
  readonly getAuthorities: Unary<AdminServiceHandlers['GetAuthorities'], Caller>
  readonly prepareAuthority: Unary<AdminServiceHandlers['PrepareAuthority'], Caller>
  readonly activateAuthority: Unary<AdminServiceHandlers['ActivateAuthority'], Caller>
  readonly taintAuthority: Unary<AdminServiceHandlers['TaintAuthority'], Caller>
  readonly revokeAuthority: Unary<AdminServiceHandlers['RevokeAuthority'], Caller>
}

/** The SPIFFE Workload API, on a Unix socket. */
export interface WorkloadHandlers {
  readonly fetchX509Svid: ServerStreaming<SpiffeWorkloadAPIHandlers['FetchX509SVID'], LocalCaller>
  readonly fetchX509Bundles: ServerStreaming<SpiffeWorkloadAPIHandlers['FetchX509Bundles'], LocalCaller>
  readonly fetchJwtSvid: Unary<SpiffeWorkloadAPIHandlers['FetchJWTSVID'], LocalCaller>
  readonly fetchJwtBundles: ServerStreaming<SpiffeWorkloadAPIHandlers['FetchJWTBundles'], LocalCaller>
  readonly validateJwtSvid: Unary<SpiffeWorkloadAPIHandlers['ValidateJWTSVID'], LocalCaller>
}

/** Envoy's secret discovery service, on the same socket. */
export interface SecretHandlers {
  readonly streamSecrets: Bidi<SecretDiscoveryServiceHandlers['StreamSecrets'], LocalCaller>
  readonly deltaSecrets: Bidi<SecretDiscoveryServiceHandlers['DeltaSecrets'], LocalCaller>
  readonly fetchSecrets: Unary<SecretDiscoveryServiceHandlers['FetchSecrets'], LocalCaller>
}

/** External authorization as an Envoy asks for it. */
export interface AuthorizationHandlers {
  readonly check: Unary<AuthorizationServiceHandlers['Check'], Caller>
}

/** Whether we serve, for who asks before calling. */
export interface HealthHandlers {
  readonly check: Unary<GrpcHealthHandlers['Check'], Caller>
}

/** What is known of a call before its handler runs. */
type Call = Pick<grpc.ServerUnaryCall<unknown, unknown>, 'getPeer' | 'getAuthContext' | 'metadata'>

/** What every handler of one server shares. */
export interface HandlerContext {
  callerOf(call: Call): Caller
  /** Streaming calls that are not over. */
  readonly open: Set<Endable>
  /** A handler threw something that is not an `OutriderError`: a bug, of which the caller is told nothing. */
  onBug(method: string, thrown: unknown): void
}

/** SPIFFE Workload Endpoint standard, section 3. */
export const WORKLOAD_HEADER = 'workload.spiffe.io'

/** Services that are ready to be added to a gRPC server. */
export interface BoundService {
  readonly definition: grpc.ServiceDefinition
  bind(context: HandlerContext): grpc.UntypedServiceImplementation
}

export function identityService(handlers: IdentityHandlers): BoundService {
  return {
    definition: protocols().identity.IdentityService.service,
    bind: (context): IdentityServiceHandlers => ({
      Attest: unary(context, 'Attest', anyone, handlers.attest),
      Renew: unary(context, 'Renew', requireRenewable, handlers.renew),
      IssueJwtSvid: unary(context, 'IssueJwtSvid', requireIdentity, handlers.issueJwtSvid),
      WatchTrustBundles: serverStreaming(context, 'WatchTrustBundles', requireIdentity, handlers.watchTrustBundles),
    }),
  }
}

/** The part of the identity service that is for who has no identity yet, alone. */
export function attestService(attest: IdentityHandlers['attest']): BoundService {
  const { Attest } = protocols().identity.IdentityService.service
  return {
    definition: { Attest },
    bind: (context): Pick<IdentityServiceHandlers, 'Attest'> & grpc.UntypedServiceImplementation => ({
      Attest: unary(context, 'Attest', anyone, attest),
    }),
  }
}

export function policyService(handlers: PolicyHandlers): BoundService {
  const { PolicyService, EncodedPolicyUpdate } = protocols().policy
  const { Subscribe } = PolicyService.service
  return {
    definition: { Subscribe: { ...Subscribe, responseSerialize: EncodedPolicyUpdate.serialize } },
    bind: (context): grpc.UntypedServiceImplementation => ({
      Subscribe: duplex(context, 'Subscribe', requireIdentity, handlers.subscribe),
    }),
  }
}

export function adminService(handlers: AdminHandlers): BoundService {
  return {
    definition: protocols().admin.AdminService.service,
    bind: (context): AdminServiceHandlers => ({
      Apply: unary(context, 'Apply', anyone, handlers.apply),
      ApplyCanary: duplex(context, 'ApplyCanary', anyone, handlers.applyCanary),
      Get: unary(context, 'Get', anyone, handlers.get),
      List: unary(context, 'List', anyone, handlers.list),
      Delete: unary(context, 'Delete', anyone, handlers.delete),
      Watch: serverStreaming(context, 'Watch', anyone, handlers.watch),
      CreateToken: unary(context, 'CreateToken', anyone, handlers.createToken),
      ListTokens: unary(context, 'ListTokens', anyone, handlers.listTokens),
      RevokeToken: unary(context, 'RevokeToken', anyone, handlers.revokeToken),
      CreateApiKey: unary(context, 'CreateApiKey', anyone, handlers.createApiKey),
      RotateApiKey: unary(context, 'RotateApiKey', anyone, handlers.rotateApiKey),
      RevokeApiKey: unary(context, 'RevokeApiKey', anyone, handlers.revokeApiKey),
      ListApiKeys: unary(context, 'ListApiKeys', anyone, handlers.listApiKeys),
      ListSidecars: unary(context, 'ListSidecars', anyone, handlers.listSidecars),
      GetStatus: unary(context, 'GetStatus', anyone, handlers.getStatus),
      GetBundle: unary(context, 'GetBundle', anyone, handlers.getBundle),
      GetAuthorities: unary(context, 'GetAuthorities', anyone, handlers.getAuthorities),
      PrepareAuthority: unary(context, 'PrepareAuthority', anyone, handlers.prepareAuthority),
      ActivateAuthority: unary(context, 'ActivateAuthority', anyone, handlers.activateAuthority),
      TaintAuthority: unary(context, 'TaintAuthority', anyone, handlers.taintAuthority),
      RevokeAuthority: unary(context, 'RevokeAuthority', anyone, handlers.revokeAuthority),
    }),
  }
}

export function workloadService(handlers: WorkloadHandlers): BoundService {
  return {
    definition: protocols().workload.SpiffeWorkloadAPI.service,
    bind: (context): SpiffeWorkloadAPIHandlers => ({
      FetchX509SVID: serverStreaming(context, 'FetchX509SVID', workload, handlers.fetchX509Svid),
      FetchX509Bundles: serverStreaming(context, 'FetchX509Bundles', workload, handlers.fetchX509Bundles),
      FetchJWTSVID: unary(context, 'FetchJWTSVID', workload, handlers.fetchJwtSvid),
      FetchJWTBundles: serverStreaming(context, 'FetchJWTBundles', workload, handlers.fetchJwtBundles),
      ValidateJWTSVID: unary(context, 'ValidateJWTSVID', workload, handlers.validateJwtSvid),
    }),
  }
}

export function secretService(handlers: SecretHandlers): BoundService {
  return {
    definition: protocols().secrets.SecretDiscoveryService.service,
    bind: (context): SecretDiscoveryServiceHandlers => ({
      StreamSecrets: duplex(context, 'StreamSecrets', requireLocal, handlers.streamSecrets),
      DeltaSecrets: duplex(context, 'DeltaSecrets', requireLocal, handlers.deltaSecrets),
      FetchSecrets: unary(context, 'FetchSecrets', requireLocal, handlers.fetchSecrets),
    }),
  }
}

export function authorizationService(handlers: AuthorizationHandlers): BoundService {
  return {
    definition: protocols().authorization.Authorization.service,
    bind: (context): AuthorizationServiceHandlers => ({ Check: unary(context, 'Check', anyone, handlers.check) }),
  }
}

export function healthService(handlers: HealthHandlers): BoundService {
  return {
    definition: protocols().health.Health.service,
    bind: (context): GrpcHealthHandlers => ({ Check: unary(context, 'Check', anyone, handlers.check) }),
  }
}

/**
 * Throws `workload-header-missing` without the metadata that keeps a request that somebody was made to send from passing for
 * one of its own (SPIFFE Workload Endpoint standard, section 3).
 */
function workload(caller: Caller, { metadata }: Call): LocalCaller {
  const values = metadata.get(WORKLOAD_HEADER)
  if (values.length !== 1 || values[0] !== 'true') {
    throw new OutriderError('workload-header-missing', `the call has no metadata "${WORKLOAD_HEADER}: true"`)
  }
  return requireLocal(caller)
}

function anyone(caller: Caller): Caller {
  return caller
}

function unary<In, Out, Who>(
  context: HandlerContext,
  method: string,
  admit: (caller: Caller, call: Call) => Who,
  handle: (request: In, caller: Who) => Out | Promise<Out>,
): grpc.handleUnaryCall<In, Out> {
  return (call, callback) => {
    const run = async (): Promise<void> => {
      let response: Out
      try {
        response = await handle(call.request, admit(context.callerOf(call), call))
      } catch (thrown) {
        callback(toStatus(told(context, method, thrown)))
        return
      }
      callback(null, response)
    }
    void run()
  }
}

function serverStreaming<In, Out, Who>(
  context: HandlerContext,
  method: string,
  admit: (caller: Caller, call: Call) => Who,
  handle: (request: In, stream: ServerStream<Out>, caller: Who) => void,
): grpc.handleServerStreamingCall<In, Out> {
  return (call) => {
    const stream = openStream(call, context.open)
    guard(context, method, stream, () => handle(call.request, stream, admit(context.callerOf(call), call)))
  }
}

function duplex<In, Out, Who>(
  context: HandlerContext,
  method: string,
  admit: (caller: Caller, call: Call) => Who,
  handle: (stream: ServerDuplex<In, Out>, caller: Who) => void,
): grpc.handleBidiStreamingCall<In, Out> {
  return (call) => {
    const stream = openDuplex(call, context.open, (thrown) => told(context, method, thrown))
    guard(context, method, stream, () => handle(stream, admit(context.callerOf(call), call)))
  }
}

function guard(context: HandlerContext, method: string, stream: Endable, handle: () => void): void {
  try {
    handle()
  } catch (thrown) {
    stream.end(told(context, method, thrown))
  }
}

/** What may be told to the caller about `thrown`. */
function told(context: HandlerContext, method: string, thrown: unknown): OutriderError {
  if (thrown instanceof OutriderError) return thrown
  context.onBug(method, thrown)
  return new OutriderError('internal-error', 'internal error; the log of the server has more', {
    source: 'internal',
    cause: thrown,
  })
}
