import type grpc from '@grpc/grpc-js'
import { OutriderError } from '../lib/errors.ts'
import type { AdminServiceHandlers } from '../wire/outrider/admin/v1/AdminService.ts'
import type { IdentityServiceHandlers } from '../wire/outrider/identity/v1/IdentityService.ts'
import type { PolicyServiceHandlers } from '../wire/outrider/policy/v1/PolicyService.ts'
import { toStatus } from './errors.ts'
import { protocols } from './load.ts'
import {
  type AuthenticatedCaller,
  type Caller,
  type RenewingCaller,
  requireIdentity,
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
  readonly watchTrustBundles: ServerStreaming<IdentityServiceHandlers['WatchTrustBundles'], AuthenticatedCaller>
}

export interface PolicyHandlers {
  readonly subscribe: Bidi<PolicyServiceHandlers['Subscribe'], AuthenticatedCaller>
}

export interface AdminHandlers {
  readonly apply: Unary<AdminServiceHandlers['Apply'], Caller>
  readonly get: Unary<AdminServiceHandlers['Get'], Caller>
  readonly list: Unary<AdminServiceHandlers['List'], Caller>
  readonly delete: Unary<AdminServiceHandlers['Delete'], Caller>
  readonly watch: ServerStreaming<AdminServiceHandlers['Watch'], Caller>
  readonly createToken: Unary<AdminServiceHandlers['CreateToken'], Caller>
  readonly listTokens: Unary<AdminServiceHandlers['ListTokens'], Caller>
  readonly revokeToken: Unary<AdminServiceHandlers['RevokeToken'], Caller>
  readonly listSidecars: Unary<AdminServiceHandlers['ListSidecars'], Caller>
  readonly getStatus: Unary<AdminServiceHandlers['GetStatus'], Caller>
  readonly getAuthorities: Unary<AdminServiceHandlers['GetAuthorities'], Caller>
  readonly prepareAuthority: Unary<AdminServiceHandlers['PrepareAuthority'], Caller>
  readonly activateAuthority: Unary<AdminServiceHandlers['ActivateAuthority'], Caller>
  readonly taintAuthority: Unary<AdminServiceHandlers['TaintAuthority'], Caller>
  readonly revokeAuthority: Unary<AdminServiceHandlers['RevokeAuthority'], Caller>
}

/** What every handler of one server shares. */
export interface HandlerContext {
  callerOf(call: Pick<grpc.ServerUnaryCall<unknown, unknown>, 'getPeer' | 'getAuthContext'>): Caller
  /** Streaming calls that are not over. */
  readonly open: Set<Endable>
  /** A handler threw something that is not an `OutriderError`: a bug, of which the caller is told nothing. */
  onBug(method: string, thrown: unknown): void
}

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
  return {
    definition: protocols().policy.PolicyService.service,
    bind: (context): PolicyServiceHandlers => ({
      Subscribe: (call) => {
        const stream = openDuplex(call, context.open, (thrown) => told(context, 'Subscribe', thrown))
        guard(context, 'Subscribe', stream, () => handlers.subscribe(stream, requireIdentity(context.callerOf(call))))
      },
    }),
  }
}

export function adminService(handlers: AdminHandlers): BoundService {
  return {
    definition: protocols().admin.AdminService.service,
    bind: (context): AdminServiceHandlers => ({
      Apply: unary(context, 'Apply', anyone, handlers.apply),
      Get: unary(context, 'Get', anyone, handlers.get),
      List: unary(context, 'List', anyone, handlers.list),
      Delete: unary(context, 'Delete', anyone, handlers.delete),
      Watch: serverStreaming(context, 'Watch', anyone, handlers.watch),
      CreateToken: unary(context, 'CreateToken', anyone, handlers.createToken),
      ListTokens: unary(context, 'ListTokens', anyone, handlers.listTokens),
      RevokeToken: unary(context, 'RevokeToken', anyone, handlers.revokeToken),
      ListSidecars: unary(context, 'ListSidecars', anyone, handlers.listSidecars),
      GetStatus: unary(context, 'GetStatus', anyone, handlers.getStatus),
      GetAuthorities: unary(context, 'GetAuthorities', anyone, handlers.getAuthorities),
      PrepareAuthority: unary(context, 'PrepareAuthority', anyone, handlers.prepareAuthority),
      ActivateAuthority: unary(context, 'ActivateAuthority', anyone, handlers.activateAuthority),
      TaintAuthority: unary(context, 'TaintAuthority', anyone, handlers.taintAuthority),
      RevokeAuthority: unary(context, 'RevokeAuthority', anyone, handlers.revokeAuthority),
    }),
  }
}

function anyone(caller: Caller): Caller {
  return caller
}

function unary<In, Out, Who>(
  context: HandlerContext,
  method: string,
  admit: (caller: Caller) => Who,
  handle: (request: In, caller: Who) => Out | Promise<Out>,
): grpc.handleUnaryCall<In, Out> {
  return (call, callback) => {
    const run = async (): Promise<void> => {
      let response: Out
      try {
        response = await handle(call.request, admit(context.callerOf(call)))
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
  admit: (caller: Caller) => Who,
  handle: (request: In, stream: ServerStream<Out>, caller: Who) => void,
): grpc.handleServerStreamingCall<In, Out> {
  return (call) => {
    const stream = openStream(call, context.open)
    guard(context, method, stream, () => handle(call.request, stream, admit(context.callerOf(call))))
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
  return new OutriderError('internal-error', 'internal error; the log of the control server has more', {
    source: 'internal',
    cause: thrown,
  })
}
