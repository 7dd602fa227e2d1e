import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from './google/protobuf/Timestamp.ts';
import type { AttestRequest as _outrider_identity_v1_AttestRequest, AttestRequest__Output as _outrider_identity_v1_AttestRequest__Output } from './outrider/identity/v1/AttestRequest.ts';
import type { IdentityServiceClient as _outrider_identity_v1_IdentityServiceClient, IdentityServiceDefinition as _outrider_identity_v1_IdentityServiceDefinition } from './outrider/identity/v1/IdentityService.ts';
import type { IssueJwtSvidRequest as _outrider_identity_v1_IssueJwtSvidRequest, IssueJwtSvidRequest__Output as _outrider_identity_v1_IssueJwtSvidRequest__Output } from './outrider/identity/v1/IssueJwtSvidRequest.ts';
import type { IssuedJwtSvid as _outrider_identity_v1_IssuedJwtSvid, IssuedJwtSvid__Output as _outrider_identity_v1_IssuedJwtSvid__Output } from './outrider/identity/v1/IssuedJwtSvid.ts';
import type { IssuedSvid as _outrider_identity_v1_IssuedSvid, IssuedSvid__Output as _outrider_identity_v1_IssuedSvid__Output } from './outrider/identity/v1/IssuedSvid.ts';
import type { JwtAuthority as _outrider_identity_v1_JwtAuthority, JwtAuthority__Output as _outrider_identity_v1_JwtAuthority__Output } from './outrider/identity/v1/JwtAuthority.ts';
import type { RenewRequest as _outrider_identity_v1_RenewRequest, RenewRequest__Output as _outrider_identity_v1_RenewRequest__Output } from './outrider/identity/v1/RenewRequest.ts';
import type { TrustBundle as _outrider_identity_v1_TrustBundle, TrustBundle__Output as _outrider_identity_v1_TrustBundle__Output } from './outrider/identity/v1/TrustBundle.ts';
import type { TrustBundleSet as _outrider_identity_v1_TrustBundleSet, TrustBundleSet__Output as _outrider_identity_v1_TrustBundleSet__Output } from './outrider/identity/v1/TrustBundleSet.ts';
import type { UnixPeer as _outrider_identity_v1_UnixPeer, UnixPeer__Output as _outrider_identity_v1_UnixPeer__Output } from './outrider/identity/v1/UnixPeer.ts';
import type { WatchTrustBundlesRequest as _outrider_identity_v1_WatchTrustBundlesRequest, WatchTrustBundlesRequest__Output as _outrider_identity_v1_WatchTrustBundlesRequest__Output } from './outrider/identity/v1/WatchTrustBundlesRequest.ts';
import type { X509Proof as _outrider_identity_v1_X509Proof, X509Proof__Output as _outrider_identity_v1_X509Proof__Output } from './outrider/identity/v1/X509Proof.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  google: {
    protobuf: {
      Timestamp: MessageTypeDefinition<_google_protobuf_Timestamp, _google_protobuf_Timestamp__Output>
    }
  }
  outrider: {
    identity: {
      v1: {
        AttestRequest: MessageTypeDefinition<_outrider_identity_v1_AttestRequest, _outrider_identity_v1_AttestRequest__Output>
        IdentityService: SubtypeConstructor<typeof grpc.Client, _outrider_identity_v1_IdentityServiceClient> & { service: _outrider_identity_v1_IdentityServiceDefinition }
        IssueJwtSvidRequest: MessageTypeDefinition<_outrider_identity_v1_IssueJwtSvidRequest, _outrider_identity_v1_IssueJwtSvidRequest__Output>
        IssuedJwtSvid: MessageTypeDefinition<_outrider_identity_v1_IssuedJwtSvid, _outrider_identity_v1_IssuedJwtSvid__Output>
        IssuedSvid: MessageTypeDefinition<_outrider_identity_v1_IssuedSvid, _outrider_identity_v1_IssuedSvid__Output>
        JwtAuthority: MessageTypeDefinition<_outrider_identity_v1_JwtAuthority, _outrider_identity_v1_JwtAuthority__Output>
        RenewRequest: MessageTypeDefinition<_outrider_identity_v1_RenewRequest, _outrider_identity_v1_RenewRequest__Output>
        TrustBundle: MessageTypeDefinition<_outrider_identity_v1_TrustBundle, _outrider_identity_v1_TrustBundle__Output>
        TrustBundleSet: MessageTypeDefinition<_outrider_identity_v1_TrustBundleSet, _outrider_identity_v1_TrustBundleSet__Output>
        UnixPeer: MessageTypeDefinition<_outrider_identity_v1_UnixPeer, _outrider_identity_v1_UnixPeer__Output>
        WatchTrustBundlesRequest: MessageTypeDefinition<_outrider_identity_v1_WatchTrustBundlesRequest, _outrider_identity_v1_WatchTrustBundlesRequest__Output>
        X509Proof: MessageTypeDefinition<_outrider_identity_v1_X509Proof, _outrider_identity_v1_X509Proof__Output>
      }
    }
  }
}

