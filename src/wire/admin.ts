import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from './google/protobuf/Duration.ts';
import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from './google/protobuf/Timestamp.ts';
import type { AdminServiceClient as _outrider_admin_v1_AdminServiceClient, AdminServiceDefinition as _outrider_admin_v1_AdminServiceDefinition } from './outrider/admin/v1/AdminService.ts';
import type { ApplyOutcome as _outrider_admin_v1_ApplyOutcome, ApplyOutcome__Output as _outrider_admin_v1_ApplyOutcome__Output } from './outrider/admin/v1/ApplyOutcome.ts';
import type { ApplyRefusal as _outrider_admin_v1_ApplyRefusal, ApplyRefusal__Output as _outrider_admin_v1_ApplyRefusal__Output } from './outrider/admin/v1/ApplyRefusal.ts';
import type { ApplyRequest as _outrider_admin_v1_ApplyRequest, ApplyRequest__Output as _outrider_admin_v1_ApplyRequest__Output } from './outrider/admin/v1/ApplyRequest.ts';
import type { ApplyResponse as _outrider_admin_v1_ApplyResponse, ApplyResponse__Output as _outrider_admin_v1_ApplyResponse__Output } from './outrider/admin/v1/ApplyResponse.ts';
import type { Authority as _outrider_admin_v1_Authority, Authority__Output as _outrider_admin_v1_Authority__Output } from './outrider/admin/v1/Authority.ts';
import type { AuthorityList as _outrider_admin_v1_AuthorityList, AuthorityList__Output as _outrider_admin_v1_AuthorityList__Output } from './outrider/admin/v1/AuthorityList.ts';
import type { AuthorityStepRequest as _outrider_admin_v1_AuthorityStepRequest, AuthorityStepRequest__Output as _outrider_admin_v1_AuthorityStepRequest__Output } from './outrider/admin/v1/AuthorityStepRequest.ts';
import type { BundleDocument as _outrider_admin_v1_BundleDocument, BundleDocument__Output as _outrider_admin_v1_BundleDocument__Output } from './outrider/admin/v1/BundleDocument.ts';
import type { CanaryAbort as _outrider_admin_v1_CanaryAbort, CanaryAbort__Output as _outrider_admin_v1_CanaryAbort__Output } from './outrider/admin/v1/CanaryAbort.ts';
import type { CanaryEvent as _outrider_admin_v1_CanaryEvent, CanaryEvent__Output as _outrider_admin_v1_CanaryEvent__Output } from './outrider/admin/v1/CanaryEvent.ts';
import type { CanaryHealth as _outrider_admin_v1_CanaryHealth, CanaryHealth__Output as _outrider_admin_v1_CanaryHealth__Output } from './outrider/admin/v1/CanaryHealth.ts';
import type { CanaryReason as _outrider_admin_v1_CanaryReason, CanaryReason__Output as _outrider_admin_v1_CanaryReason__Output } from './outrider/admin/v1/CanaryReason.ts';
import type { CanaryRequest as _outrider_admin_v1_CanaryRequest, CanaryRequest__Output as _outrider_admin_v1_CanaryRequest__Output } from './outrider/admin/v1/CanaryRequest.ts';
import type { CanarySidecar as _outrider_admin_v1_CanarySidecar, CanarySidecar__Output as _outrider_admin_v1_CanarySidecar__Output } from './outrider/admin/v1/CanarySidecar.ts';
import type { CanaryStart as _outrider_admin_v1_CanaryStart, CanaryStart__Output as _outrider_admin_v1_CanaryStart__Output } from './outrider/admin/v1/CanaryStart.ts';
import type { ClusterFailure as _outrider_admin_v1_ClusterFailure, ClusterFailure__Output as _outrider_admin_v1_ClusterFailure__Output } from './outrider/admin/v1/ClusterFailure.ts';
import type { ClusterState as _outrider_admin_v1_ClusterState, ClusterState__Output as _outrider_admin_v1_ClusterState__Output } from './outrider/admin/v1/ClusterState.ts';
import type { ControlStatus as _outrider_admin_v1_ControlStatus, ControlStatus__Output as _outrider_admin_v1_ControlStatus__Output } from './outrider/admin/v1/ControlStatus.ts';
import type { CreateApiKeyRequest as _outrider_admin_v1_CreateApiKeyRequest, CreateApiKeyRequest__Output as _outrider_admin_v1_CreateApiKeyRequest__Output } from './outrider/admin/v1/CreateApiKeyRequest.ts';
import type { CreateTokenRequest as _outrider_admin_v1_CreateTokenRequest, CreateTokenRequest__Output as _outrider_admin_v1_CreateTokenRequest__Output } from './outrider/admin/v1/CreateTokenRequest.ts';
import type { CreatedApiKey as _outrider_admin_v1_CreatedApiKey, CreatedApiKey__Output as _outrider_admin_v1_CreatedApiKey__Output } from './outrider/admin/v1/CreatedApiKey.ts';
import type { CreatedToken as _outrider_admin_v1_CreatedToken, CreatedToken__Output as _outrider_admin_v1_CreatedToken__Output } from './outrider/admin/v1/CreatedToken.ts';
import type { DeleteRequest as _outrider_admin_v1_DeleteRequest, DeleteRequest__Output as _outrider_admin_v1_DeleteRequest__Output } from './outrider/admin/v1/DeleteRequest.ts';
import type { DeleteResponse as _outrider_admin_v1_DeleteResponse, DeleteResponse__Output as _outrider_admin_v1_DeleteResponse__Output } from './outrider/admin/v1/DeleteResponse.ts';
import type { DocumentViolation as _outrider_admin_v1_DocumentViolation, DocumentViolation__Output as _outrider_admin_v1_DocumentViolation__Output } from './outrider/admin/v1/DocumentViolation.ts';
import type { FederatedDomain as _outrider_admin_v1_FederatedDomain, FederatedDomain__Output as _outrider_admin_v1_FederatedDomain__Output } from './outrider/admin/v1/FederatedDomain.ts';
import type { GetAuthoritiesRequest as _outrider_admin_v1_GetAuthoritiesRequest, GetAuthoritiesRequest__Output as _outrider_admin_v1_GetAuthoritiesRequest__Output } from './outrider/admin/v1/GetAuthoritiesRequest.ts';
import type { GetBundleRequest as _outrider_admin_v1_GetBundleRequest, GetBundleRequest__Output as _outrider_admin_v1_GetBundleRequest__Output } from './outrider/admin/v1/GetBundleRequest.ts';
import type { GetRequest as _outrider_admin_v1_GetRequest, GetRequest__Output as _outrider_admin_v1_GetRequest__Output } from './outrider/admin/v1/GetRequest.ts';
import type { GetStatusRequest as _outrider_admin_v1_GetStatusRequest, GetStatusRequest__Output as _outrider_admin_v1_GetStatusRequest__Output } from './outrider/admin/v1/GetStatusRequest.ts';
import type { HeldBack as _outrider_admin_v1_HeldBack, HeldBack__Output as _outrider_admin_v1_HeldBack__Output } from './outrider/admin/v1/HeldBack.ts';
import type { ListApiKeysRequest as _outrider_admin_v1_ListApiKeysRequest, ListApiKeysRequest__Output as _outrider_admin_v1_ListApiKeysRequest__Output } from './outrider/admin/v1/ListApiKeysRequest.ts';
import type { ListApiKeysResponse as _outrider_admin_v1_ListApiKeysResponse, ListApiKeysResponse__Output as _outrider_admin_v1_ListApiKeysResponse__Output } from './outrider/admin/v1/ListApiKeysResponse.ts';
import type { ListRequest as _outrider_admin_v1_ListRequest, ListRequest__Output as _outrider_admin_v1_ListRequest__Output } from './outrider/admin/v1/ListRequest.ts';
import type { ListResponse as _outrider_admin_v1_ListResponse, ListResponse__Output as _outrider_admin_v1_ListResponse__Output } from './outrider/admin/v1/ListResponse.ts';
import type { ListSidecarsRequest as _outrider_admin_v1_ListSidecarsRequest, ListSidecarsRequest__Output as _outrider_admin_v1_ListSidecarsRequest__Output } from './outrider/admin/v1/ListSidecarsRequest.ts';
import type { ListSidecarsResponse as _outrider_admin_v1_ListSidecarsResponse, ListSidecarsResponse__Output as _outrider_admin_v1_ListSidecarsResponse__Output } from './outrider/admin/v1/ListSidecarsResponse.ts';
import type { ListTokensRequest as _outrider_admin_v1_ListTokensRequest, ListTokensRequest__Output as _outrider_admin_v1_ListTokensRequest__Output } from './outrider/admin/v1/ListTokensRequest.ts';
import type { ListTokensResponse as _outrider_admin_v1_ListTokensResponse, ListTokensResponse__Output as _outrider_admin_v1_ListTokensResponse__Output } from './outrider/admin/v1/ListTokensResponse.ts';
import type { ListedApiKey as _outrider_admin_v1_ListedApiKey, ListedApiKey__Output as _outrider_admin_v1_ListedApiKey__Output } from './outrider/admin/v1/ListedApiKey.ts';
import type { ListedSecret as _outrider_admin_v1_ListedSecret, ListedSecret__Output as _outrider_admin_v1_ListedSecret__Output } from './outrider/admin/v1/ListedSecret.ts';
import type { PrepareAuthorityRequest as _outrider_admin_v1_PrepareAuthorityRequest, PrepareAuthorityRequest__Output as _outrider_admin_v1_PrepareAuthorityRequest__Output } from './outrider/admin/v1/PrepareAuthorityRequest.ts';
import type { ResourceEvent as _outrider_admin_v1_ResourceEvent, ResourceEvent__Output as _outrider_admin_v1_ResourceEvent__Output } from './outrider/admin/v1/ResourceEvent.ts';
import type { ResourceRef as _outrider_admin_v1_ResourceRef, ResourceRef__Output as _outrider_admin_v1_ResourceRef__Output } from './outrider/admin/v1/ResourceRef.ts';
import type { RevokeApiKeyRequest as _outrider_admin_v1_RevokeApiKeyRequest, RevokeApiKeyRequest__Output as _outrider_admin_v1_RevokeApiKeyRequest__Output } from './outrider/admin/v1/RevokeApiKeyRequest.ts';
import type { RevokeApiKeyResponse as _outrider_admin_v1_RevokeApiKeyResponse, RevokeApiKeyResponse__Output as _outrider_admin_v1_RevokeApiKeyResponse__Output } from './outrider/admin/v1/RevokeApiKeyResponse.ts';
import type { RevokeTokenRequest as _outrider_admin_v1_RevokeTokenRequest, RevokeTokenRequest__Output as _outrider_admin_v1_RevokeTokenRequest__Output } from './outrider/admin/v1/RevokeTokenRequest.ts';
import type { RevokeTokenResponse as _outrider_admin_v1_RevokeTokenResponse, RevokeTokenResponse__Output as _outrider_admin_v1_RevokeTokenResponse__Output } from './outrider/admin/v1/RevokeTokenResponse.ts';
import type { RotateApiKeyRequest as _outrider_admin_v1_RotateApiKeyRequest, RotateApiKeyRequest__Output as _outrider_admin_v1_RotateApiKeyRequest__Output } from './outrider/admin/v1/RotateApiKeyRequest.ts';
import type { Sidecar as _outrider_admin_v1_Sidecar, Sidecar__Output as _outrider_admin_v1_Sidecar__Output } from './outrider/admin/v1/Sidecar.ts';
import type { StoredResource as _outrider_admin_v1_StoredResource, StoredResource__Output as _outrider_admin_v1_StoredResource__Output } from './outrider/admin/v1/StoredResource.ts';
import type { Token as _outrider_admin_v1_Token, Token__Output as _outrider_admin_v1_Token__Output } from './outrider/admin/v1/Token.ts';
import type { TrafficHealth as _outrider_admin_v1_TrafficHealth, TrafficHealth__Output as _outrider_admin_v1_TrafficHealth__Output } from './outrider/admin/v1/TrafficHealth.ts';
import type { WatchRequest as _outrider_admin_v1_WatchRequest, WatchRequest__Output as _outrider_admin_v1_WatchRequest__Output } from './outrider/admin/v1/WatchRequest.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  google: {
    protobuf: {
      Duration: MessageTypeDefinition<_google_protobuf_Duration, _google_protobuf_Duration__Output>
      Timestamp: MessageTypeDefinition<_google_protobuf_Timestamp, _google_protobuf_Timestamp__Output>
    }
  }
  outrider: {
    admin: {
      v1: {
        AdminService: SubtypeConstructor<typeof grpc.Client, _outrider_admin_v1_AdminServiceClient> & { service: _outrider_admin_v1_AdminServiceDefinition }
        ApplyOutcome: MessageTypeDefinition<_outrider_admin_v1_ApplyOutcome, _outrider_admin_v1_ApplyOutcome__Output>
        ApplyRefusal: MessageTypeDefinition<_outrider_admin_v1_ApplyRefusal, _outrider_admin_v1_ApplyRefusal__Output>
        ApplyRequest: MessageTypeDefinition<_outrider_admin_v1_ApplyRequest, _outrider_admin_v1_ApplyRequest__Output>
        ApplyResponse: MessageTypeDefinition<_outrider_admin_v1_ApplyResponse, _outrider_admin_v1_ApplyResponse__Output>
        Authority: MessageTypeDefinition<_outrider_admin_v1_Authority, _outrider_admin_v1_Authority__Output>
        AuthorityList: MessageTypeDefinition<_outrider_admin_v1_AuthorityList, _outrider_admin_v1_AuthorityList__Output>
        AuthorityStepRequest: MessageTypeDefinition<_outrider_admin_v1_AuthorityStepRequest, _outrider_admin_v1_AuthorityStepRequest__Output>
        BundleDocument: MessageTypeDefinition<_outrider_admin_v1_BundleDocument, _outrider_admin_v1_BundleDocument__Output>
        CanaryAbort: MessageTypeDefinition<_outrider_admin_v1_CanaryAbort, _outrider_admin_v1_CanaryAbort__Output>
        CanaryEvent: MessageTypeDefinition<_outrider_admin_v1_CanaryEvent, _outrider_admin_v1_CanaryEvent__Output>
        CanaryHealth: MessageTypeDefinition<_outrider_admin_v1_CanaryHealth, _outrider_admin_v1_CanaryHealth__Output>
        CanaryReason: MessageTypeDefinition<_outrider_admin_v1_CanaryReason, _outrider_admin_v1_CanaryReason__Output>
        CanaryRequest: MessageTypeDefinition<_outrider_admin_v1_CanaryRequest, _outrider_admin_v1_CanaryRequest__Output>
        CanarySidecar: MessageTypeDefinition<_outrider_admin_v1_CanarySidecar, _outrider_admin_v1_CanarySidecar__Output>
        CanaryStart: MessageTypeDefinition<_outrider_admin_v1_CanaryStart, _outrider_admin_v1_CanaryStart__Output>
        ClusterFailure: MessageTypeDefinition<_outrider_admin_v1_ClusterFailure, _outrider_admin_v1_ClusterFailure__Output>
        ClusterState: MessageTypeDefinition<_outrider_admin_v1_ClusterState, _outrider_admin_v1_ClusterState__Output>
        ControlStatus: MessageTypeDefinition<_outrider_admin_v1_ControlStatus, _outrider_admin_v1_ControlStatus__Output>
        CreateApiKeyRequest: MessageTypeDefinition<_outrider_admin_v1_CreateApiKeyRequest, _outrider_admin_v1_CreateApiKeyRequest__Output>
        CreateTokenRequest: MessageTypeDefinition<_outrider_admin_v1_CreateTokenRequest, _outrider_admin_v1_CreateTokenRequest__Output>
        CreatedApiKey: MessageTypeDefinition<_outrider_admin_v1_CreatedApiKey, _outrider_admin_v1_CreatedApiKey__Output>
        CreatedToken: MessageTypeDefinition<_outrider_admin_v1_CreatedToken, _outrider_admin_v1_CreatedToken__Output>
        DeleteRequest: MessageTypeDefinition<_outrider_admin_v1_DeleteRequest, _outrider_admin_v1_DeleteRequest__Output>
        DeleteResponse: MessageTypeDefinition<_outrider_admin_v1_DeleteResponse, _outrider_admin_v1_DeleteResponse__Output>
        DocumentViolation: MessageTypeDefinition<_outrider_admin_v1_DocumentViolation, _outrider_admin_v1_DocumentViolation__Output>
        FederatedDomain: MessageTypeDefinition<_outrider_admin_v1_FederatedDomain, _outrider_admin_v1_FederatedDomain__Output>
        GetAuthoritiesRequest: MessageTypeDefinition<_outrider_admin_v1_GetAuthoritiesRequest, _outrider_admin_v1_GetAuthoritiesRequest__Output>
        GetBundleRequest: MessageTypeDefinition<_outrider_admin_v1_GetBundleRequest, _outrider_admin_v1_GetBundleRequest__Output>
        GetRequest: MessageTypeDefinition<_outrider_admin_v1_GetRequest, _outrider_admin_v1_GetRequest__Output>
        GetStatusRequest: MessageTypeDefinition<_outrider_admin_v1_GetStatusRequest, _outrider_admin_v1_GetStatusRequest__Output>
        HeldBack: MessageTypeDefinition<_outrider_admin_v1_HeldBack, _outrider_admin_v1_HeldBack__Output>
        ListApiKeysRequest: MessageTypeDefinition<_outrider_admin_v1_ListApiKeysRequest, _outrider_admin_v1_ListApiKeysRequest__Output>
        ListApiKeysResponse: MessageTypeDefinition<_outrider_admin_v1_ListApiKeysResponse, _outrider_admin_v1_ListApiKeysResponse__Output>
        ListRequest: MessageTypeDefinition<_outrider_admin_v1_ListRequest, _outrider_admin_v1_ListRequest__Output>
        ListResponse: MessageTypeDefinition<_outrider_admin_v1_ListResponse, _outrider_admin_v1_ListResponse__Output>
        ListSidecarsRequest: MessageTypeDefinition<_outrider_admin_v1_ListSidecarsRequest, _outrider_admin_v1_ListSidecarsRequest__Output>
        ListSidecarsResponse: MessageTypeDefinition<_outrider_admin_v1_ListSidecarsResponse, _outrider_admin_v1_ListSidecarsResponse__Output>
        ListTokensRequest: MessageTypeDefinition<_outrider_admin_v1_ListTokensRequest, _outrider_admin_v1_ListTokensRequest__Output>
        ListTokensResponse: MessageTypeDefinition<_outrider_admin_v1_ListTokensResponse, _outrider_admin_v1_ListTokensResponse__Output>
        ListedApiKey: MessageTypeDefinition<_outrider_admin_v1_ListedApiKey, _outrider_admin_v1_ListedApiKey__Output>
        ListedSecret: MessageTypeDefinition<_outrider_admin_v1_ListedSecret, _outrider_admin_v1_ListedSecret__Output>
        PrepareAuthorityRequest: MessageTypeDefinition<_outrider_admin_v1_PrepareAuthorityRequest, _outrider_admin_v1_PrepareAuthorityRequest__Output>
        ResourceEvent: MessageTypeDefinition<_outrider_admin_v1_ResourceEvent, _outrider_admin_v1_ResourceEvent__Output>
        ResourceRef: MessageTypeDefinition<_outrider_admin_v1_ResourceRef, _outrider_admin_v1_ResourceRef__Output>
        RevokeApiKeyRequest: MessageTypeDefinition<_outrider_admin_v1_RevokeApiKeyRequest, _outrider_admin_v1_RevokeApiKeyRequest__Output>
        RevokeApiKeyResponse: MessageTypeDefinition<_outrider_admin_v1_RevokeApiKeyResponse, _outrider_admin_v1_RevokeApiKeyResponse__Output>
        RevokeTokenRequest: MessageTypeDefinition<_outrider_admin_v1_RevokeTokenRequest, _outrider_admin_v1_RevokeTokenRequest__Output>
        RevokeTokenResponse: MessageTypeDefinition<_outrider_admin_v1_RevokeTokenResponse, _outrider_admin_v1_RevokeTokenResponse__Output>
        RotateApiKeyRequest: MessageTypeDefinition<_outrider_admin_v1_RotateApiKeyRequest, _outrider_admin_v1_RotateApiKeyRequest__Output>
        Sidecar: MessageTypeDefinition<_outrider_admin_v1_Sidecar, _outrider_admin_v1_Sidecar__Output>
        StoredResource: MessageTypeDefinition<_outrider_admin_v1_StoredResource, _outrider_admin_v1_StoredResource__Output>
        Token: MessageTypeDefinition<_outrider_admin_v1_Token, _outrider_admin_v1_Token__Output>
        TrafficHealth: MessageTypeDefinition<_outrider_admin_v1_TrafficHealth, _outrider_admin_v1_TrafficHealth__Output>
        WatchRequest: MessageTypeDefinition<_outrider_admin_v1_WatchRequest, _outrider_admin_v1_WatchRequest__Output>
      }
    }
  }
}

