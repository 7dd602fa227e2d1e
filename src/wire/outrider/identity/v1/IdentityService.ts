// From identity/v1/identity.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AttestRequest as _outrider_identity_v1_AttestRequest, AttestRequest__Output as _outrider_identity_v1_AttestRequest__Output } from '../../../outrider/identity/v1/AttestRequest.ts';
import type { IssueJwtSvidRequest as _outrider_identity_v1_IssueJwtSvidRequest, IssueJwtSvidRequest__Output as _outrider_identity_v1_IssueJwtSvidRequest__Output } from '../../../outrider/identity/v1/IssueJwtSvidRequest.ts';
import type { IssuedJwtSvid as _outrider_identity_v1_IssuedJwtSvid, IssuedJwtSvid__Output as _outrider_identity_v1_IssuedJwtSvid__Output } from '../../../outrider/identity/v1/IssuedJwtSvid.ts';
import type { IssuedSvid as _outrider_identity_v1_IssuedSvid, IssuedSvid__Output as _outrider_identity_v1_IssuedSvid__Output } from '../../../outrider/identity/v1/IssuedSvid.ts';
import type { RenewRequest as _outrider_identity_v1_RenewRequest, RenewRequest__Output as _outrider_identity_v1_RenewRequest__Output } from '../../../outrider/identity/v1/RenewRequest.ts';
import type { TrustBundleSet as _outrider_identity_v1_TrustBundleSet, TrustBundleSet__Output as _outrider_identity_v1_TrustBundleSet__Output } from '../../../outrider/identity/v1/TrustBundleSet.ts';
import type { WatchTrustBundlesRequest as _outrider_identity_v1_WatchTrustBundlesRequest, WatchTrustBundlesRequest__Output as _outrider_identity_v1_WatchTrustBundlesRequest__Output } from '../../../outrider/identity/v1/WatchTrustBundlesRequest.ts';

export interface IdentityServiceClient extends grpc.Client {
  Attest(argument: _outrider_identity_v1_AttestRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  Attest(argument: _outrider_identity_v1_AttestRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  Attest(argument: _outrider_identity_v1_AttestRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  Attest(argument: _outrider_identity_v1_AttestRequest, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  attest(argument: _outrider_identity_v1_AttestRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  attest(argument: _outrider_identity_v1_AttestRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  attest(argument: _outrider_identity_v1_AttestRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  attest(argument: _outrider_identity_v1_AttestRequest, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  
  IssueJwtSvid(argument: _outrider_identity_v1_IssueJwtSvidRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedJwtSvid__Output>): grpc.ClientUnaryCall;
  IssueJwtSvid(argument: _outrider_identity_v1_IssueJwtSvidRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_identity_v1_IssuedJwtSvid__Output>): grpc.ClientUnaryCall;
  IssueJwtSvid(argument: _outrider_identity_v1_IssueJwtSvidRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedJwtSvid__Output>): grpc.ClientUnaryCall;
  IssueJwtSvid(argument: _outrider_identity_v1_IssueJwtSvidRequest, callback: grpc.requestCallback<_outrider_identity_v1_IssuedJwtSvid__Output>): grpc.ClientUnaryCall;
  issueJwtSvid(argument: _outrider_identity_v1_IssueJwtSvidRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedJwtSvid__Output>): grpc.ClientUnaryCall;
  issueJwtSvid(argument: _outrider_identity_v1_IssueJwtSvidRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_identity_v1_IssuedJwtSvid__Output>): grpc.ClientUnaryCall;
  issueJwtSvid(argument: _outrider_identity_v1_IssueJwtSvidRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedJwtSvid__Output>): grpc.ClientUnaryCall;
  issueJwtSvid(argument: _outrider_identity_v1_IssueJwtSvidRequest, callback: grpc.requestCallback<_outrider_identity_v1_IssuedJwtSvid__Output>): grpc.ClientUnaryCall;
  
  Renew(argument: _outrider_identity_v1_RenewRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  Renew(argument: _outrider_identity_v1_RenewRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  Renew(argument: _outrider_identity_v1_RenewRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  Renew(argument: _outrider_identity_v1_RenewRequest, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  renew(argument: _outrider_identity_v1_RenewRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  renew(argument: _outrider_identity_v1_RenewRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  renew(argument: _outrider_identity_v1_RenewRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  renew(argument: _outrider_identity_v1_RenewRequest, callback: grpc.requestCallback<_outrider_identity_v1_IssuedSvid__Output>): grpc.ClientUnaryCall;
  
  WatchTrustBundles(argument: _outrider_identity_v1_WatchTrustBundlesRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_outrider_identity_v1_TrustBundleSet__Output>;
  WatchTrustBundles(argument: _outrider_identity_v1_WatchTrustBundlesRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_outrider_identity_v1_TrustBundleSet__Output>;
  watchTrustBundles(argument: _outrider_identity_v1_WatchTrustBundlesRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_outrider_identity_v1_TrustBundleSet__Output>;
  watchTrustBundles(argument: _outrider_identity_v1_WatchTrustBundlesRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_outrider_identity_v1_TrustBundleSet__Output>;
  
}

export interface IdentityServiceHandlers extends grpc.UntypedServiceImplementation {
  Attest: grpc.handleUnaryCall<_outrider_identity_v1_AttestRequest__Output, _outrider_identity_v1_IssuedSvid>;
  
  IssueJwtSvid: grpc.handleUnaryCall<_outrider_identity_v1_IssueJwtSvidRequest__Output, _outrider_identity_v1_IssuedJwtSvid>;
  
  Renew: grpc.handleUnaryCall<_outrider_identity_v1_RenewRequest__Output, _outrider_identity_v1_IssuedSvid>;
  
  WatchTrustBundles: grpc.handleServerStreamingCall<_outrider_identity_v1_WatchTrustBundlesRequest__Output, _outrider_identity_v1_TrustBundleSet>;
  
}

export interface IdentityServiceDefinition extends grpc.ServiceDefinition {
  Attest: MethodDefinition<_outrider_identity_v1_AttestRequest, _outrider_identity_v1_IssuedSvid, _outrider_identity_v1_AttestRequest__Output, _outrider_identity_v1_IssuedSvid__Output>
  IssueJwtSvid: MethodDefinition<_outrider_identity_v1_IssueJwtSvidRequest, _outrider_identity_v1_IssuedJwtSvid, _outrider_identity_v1_IssueJwtSvidRequest__Output, _outrider_identity_v1_IssuedJwtSvid__Output>
  Renew: MethodDefinition<_outrider_identity_v1_RenewRequest, _outrider_identity_v1_IssuedSvid, _outrider_identity_v1_RenewRequest__Output, _outrider_identity_v1_IssuedSvid__Output>
  WatchTrustBundles: MethodDefinition<_outrider_identity_v1_WatchTrustBundlesRequest, _outrider_identity_v1_TrustBundleSet, _outrider_identity_v1_WatchTrustBundlesRequest__Output, _outrider_identity_v1_TrustBundleSet__Output>
}
