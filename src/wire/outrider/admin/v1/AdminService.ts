// From admin/v1/admin.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ApplyRequest as _outrider_admin_v1_ApplyRequest, ApplyRequest__Output as _outrider_admin_v1_ApplyRequest__Output } from '../../../outrider/admin/v1/ApplyRequest.ts';
import type { ApplyResponse as _outrider_admin_v1_ApplyResponse, ApplyResponse__Output as _outrider_admin_v1_ApplyResponse__Output } from '../../../outrider/admin/v1/ApplyResponse.ts';
import type { AuthorityList as _outrider_admin_v1_AuthorityList, AuthorityList__Output as _outrider_admin_v1_AuthorityList__Output } from '../../../outrider/admin/v1/AuthorityList.ts';
import type { AuthorityStepRequest as _outrider_admin_v1_AuthorityStepRequest, AuthorityStepRequest__Output as _outrider_admin_v1_AuthorityStepRequest__Output } from '../../../outrider/admin/v1/AuthorityStepRequest.ts';
import type { BundleDocument as _outrider_admin_v1_BundleDocument, BundleDocument__Output as _outrider_admin_v1_BundleDocument__Output } from '../../../outrider/admin/v1/BundleDocument.ts';
import type { CanaryEvent as _outrider_admin_v1_CanaryEvent, CanaryEvent__Output as _outrider_admin_v1_CanaryEvent__Output } from '../../../outrider/admin/v1/CanaryEvent.ts';
import type { CanaryRequest as _outrider_admin_v1_CanaryRequest, CanaryRequest__Output as _outrider_admin_v1_CanaryRequest__Output } from '../../../outrider/admin/v1/CanaryRequest.ts';
import type { ControlStatus as _outrider_admin_v1_ControlStatus, ControlStatus__Output as _outrider_admin_v1_ControlStatus__Output } from '../../../outrider/admin/v1/ControlStatus.ts';
import type { CreateApiKeyRequest as _outrider_admin_v1_CreateApiKeyRequest, CreateApiKeyRequest__Output as _outrider_admin_v1_CreateApiKeyRequest__Output } from '../../../outrider/admin/v1/CreateApiKeyRequest.ts';
import type { CreateTokenRequest as _outrider_admin_v1_CreateTokenRequest, CreateTokenRequest__Output as _outrider_admin_v1_CreateTokenRequest__Output } from '../../../outrider/admin/v1/CreateTokenRequest.ts';
import type { CreatedApiKey as _outrider_admin_v1_CreatedApiKey, CreatedApiKey__Output as _outrider_admin_v1_CreatedApiKey__Output } from '../../../outrider/admin/v1/CreatedApiKey.ts';
import type { CreatedToken as _outrider_admin_v1_CreatedToken, CreatedToken__Output as _outrider_admin_v1_CreatedToken__Output } from '../../../outrider/admin/v1/CreatedToken.ts';
import type { DeleteRequest as _outrider_admin_v1_DeleteRequest, DeleteRequest__Output as _outrider_admin_v1_DeleteRequest__Output } from '../../../outrider/admin/v1/DeleteRequest.ts';
import type { DeleteResponse as _outrider_admin_v1_DeleteResponse, DeleteResponse__Output as _outrider_admin_v1_DeleteResponse__Output } from '../../../outrider/admin/v1/DeleteResponse.ts';
import type { GetAuthoritiesRequest as _outrider_admin_v1_GetAuthoritiesRequest, GetAuthoritiesRequest__Output as _outrider_admin_v1_GetAuthoritiesRequest__Output } from '../../../outrider/admin/v1/GetAuthoritiesRequest.ts';
import type { GetBundleRequest as _outrider_admin_v1_GetBundleRequest, GetBundleRequest__Output as _outrider_admin_v1_GetBundleRequest__Output } from '../../../outrider/admin/v1/GetBundleRequest.ts';
import type { GetRequest as _outrider_admin_v1_GetRequest, GetRequest__Output as _outrider_admin_v1_GetRequest__Output } from '../../../outrider/admin/v1/GetRequest.ts';
import type { GetStatusRequest as _outrider_admin_v1_GetStatusRequest, GetStatusRequest__Output as _outrider_admin_v1_GetStatusRequest__Output } from '../../../outrider/admin/v1/GetStatusRequest.ts';
import type { ListApiKeysRequest as _outrider_admin_v1_ListApiKeysRequest, ListApiKeysRequest__Output as _outrider_admin_v1_ListApiKeysRequest__Output } from '../../../outrider/admin/v1/ListApiKeysRequest.ts';
import type { ListApiKeysResponse as _outrider_admin_v1_ListApiKeysResponse, ListApiKeysResponse__Output as _outrider_admin_v1_ListApiKeysResponse__Output } from '../../../outrider/admin/v1/ListApiKeysResponse.ts';
import type { ListRequest as _outrider_admin_v1_ListRequest, ListRequest__Output as _outrider_admin_v1_ListRequest__Output } from '../../../outrider/admin/v1/ListRequest.ts';
import type { ListResponse as _outrider_admin_v1_ListResponse, ListResponse__Output as _outrider_admin_v1_ListResponse__Output } from '../../../outrider/admin/v1/ListResponse.ts';
import type { ListSidecarsRequest as _outrider_admin_v1_ListSidecarsRequest, ListSidecarsRequest__Output as _outrider_admin_v1_ListSidecarsRequest__Output } from '../../../outrider/admin/v1/ListSidecarsRequest.ts';
import type { ListSidecarsResponse as _outrider_admin_v1_ListSidecarsResponse, ListSidecarsResponse__Output as _outrider_admin_v1_ListSidecarsResponse__Output } from '../../../outrider/admin/v1/ListSidecarsResponse.ts';
import type { ListTokensRequest as _outrider_admin_v1_ListTokensRequest, ListTokensRequest__Output as _outrider_admin_v1_ListTokensRequest__Output } from '../../../outrider/admin/v1/ListTokensRequest.ts';
import type { ListTokensResponse as _outrider_admin_v1_ListTokensResponse, ListTokensResponse__Output as _outrider_admin_v1_ListTokensResponse__Output } from '../../../outrider/admin/v1/ListTokensResponse.ts';
import type { PrepareAuthorityRequest as _outrider_admin_v1_PrepareAuthorityRequest, PrepareAuthorityRequest__Output as _outrider_admin_v1_PrepareAuthorityRequest__Output } from '../../../outrider/admin/v1/PrepareAuthorityRequest.ts';
import type { ResourceEvent as _outrider_admin_v1_ResourceEvent, ResourceEvent__Output as _outrider_admin_v1_ResourceEvent__Output } from '../../../outrider/admin/v1/ResourceEvent.ts';
import type { RevokeApiKeyRequest as _outrider_admin_v1_RevokeApiKeyRequest, RevokeApiKeyRequest__Output as _outrider_admin_v1_RevokeApiKeyRequest__Output } from '../../../outrider/admin/v1/RevokeApiKeyRequest.ts';
import type { RevokeApiKeyResponse as _outrider_admin_v1_RevokeApiKeyResponse, RevokeApiKeyResponse__Output as _outrider_admin_v1_RevokeApiKeyResponse__Output } from '../../../outrider/admin/v1/RevokeApiKeyResponse.ts';
import type { RevokeTokenRequest as _outrider_admin_v1_RevokeTokenRequest, RevokeTokenRequest__Output as _outrider_admin_v1_RevokeTokenRequest__Output } from '../../../outrider/admin/v1/RevokeTokenRequest.ts';
import type { RevokeTokenResponse as _outrider_admin_v1_RevokeTokenResponse, RevokeTokenResponse__Output as _outrider_admin_v1_RevokeTokenResponse__Output } from '../../../outrider/admin/v1/RevokeTokenResponse.ts';
import type { RotateApiKeyRequest as _outrider_admin_v1_RotateApiKeyRequest, RotateApiKeyRequest__Output as _outrider_admin_v1_RotateApiKeyRequest__Output } from '../../../outrider/admin/v1/RotateApiKeyRequest.ts';
import type { StoredResource as _outrider_admin_v1_StoredResource, StoredResource__Output as _outrider_admin_v1_StoredResource__Output } from '../../../outrider/admin/v1/StoredResource.ts';
import type { WatchRequest as _outrider_admin_v1_WatchRequest, WatchRequest__Output as _outrider_admin_v1_WatchRequest__Output } from '../../../outrider/admin/v1/WatchRequest.ts';

export interface AdminServiceClient extends grpc.Client {
  ActivateAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  ActivateAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  ActivateAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  ActivateAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  activateAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  activateAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  activateAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  activateAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  
  Apply(argument: _outrider_admin_v1_ApplyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ApplyResponse__Output>): grpc.ClientUnaryCall;
  Apply(argument: _outrider_admin_v1_ApplyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ApplyResponse__Output>): grpc.ClientUnaryCall;
  Apply(argument: _outrider_admin_v1_ApplyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ApplyResponse__Output>): grpc.ClientUnaryCall;
  Apply(argument: _outrider_admin_v1_ApplyRequest, callback: grpc.requestCallback<_outrider_admin_v1_ApplyResponse__Output>): grpc.ClientUnaryCall;
  apply(argument: _outrider_admin_v1_ApplyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ApplyResponse__Output>): grpc.ClientUnaryCall;
  apply(argument: _outrider_admin_v1_ApplyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ApplyResponse__Output>): grpc.ClientUnaryCall;
  apply(argument: _outrider_admin_v1_ApplyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ApplyResponse__Output>): grpc.ClientUnaryCall;
  apply(argument: _outrider_admin_v1_ApplyRequest, callback: grpc.requestCallback<_outrider_admin_v1_ApplyResponse__Output>): grpc.ClientUnaryCall;
  
  ApplyCanary(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_outrider_admin_v1_CanaryRequest, _outrider_admin_v1_CanaryEvent__Output>;
  ApplyCanary(options?: grpc.CallOptions): grpc.ClientDuplexStream<_outrider_admin_v1_CanaryRequest, _outrider_admin_v1_CanaryEvent__Output>;
  applyCanary(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_outrider_admin_v1_CanaryRequest, _outrider_admin_v1_CanaryEvent__Output>;
  applyCanary(options?: grpc.CallOptions): grpc.ClientDuplexStream<_outrider_admin_v1_CanaryRequest, _outrider_admin_v1_CanaryEvent__Output>;
  
  CreateApiKey(argument: _outrider_admin_v1_CreateApiKeyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  CreateApiKey(argument: _outrider_admin_v1_CreateApiKeyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  CreateApiKey(argument: _outrider_admin_v1_CreateApiKeyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  CreateApiKey(argument: _outrider_admin_v1_CreateApiKeyRequest, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  createApiKey(argument: _outrider_admin_v1_CreateApiKeyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  createApiKey(argument: _outrider_admin_v1_CreateApiKeyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  createApiKey(argument: _outrider_admin_v1_CreateApiKeyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  createApiKey(argument: _outrider_admin_v1_CreateApiKeyRequest, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  
  CreateToken(argument: _outrider_admin_v1_CreateTokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedToken__Output>): grpc.ClientUnaryCall;
  CreateToken(argument: _outrider_admin_v1_CreateTokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_CreatedToken__Output>): grpc.ClientUnaryCall;
  CreateToken(argument: _outrider_admin_v1_CreateTokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedToken__Output>): grpc.ClientUnaryCall;
  CreateToken(argument: _outrider_admin_v1_CreateTokenRequest, callback: grpc.requestCallback<_outrider_admin_v1_CreatedToken__Output>): grpc.ClientUnaryCall;
  createToken(argument: _outrider_admin_v1_CreateTokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedToken__Output>): grpc.ClientUnaryCall;
  createToken(argument: _outrider_admin_v1_CreateTokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_CreatedToken__Output>): grpc.ClientUnaryCall;
  createToken(argument: _outrider_admin_v1_CreateTokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedToken__Output>): grpc.ClientUnaryCall;
  createToken(argument: _outrider_admin_v1_CreateTokenRequest, callback: grpc.requestCallback<_outrider_admin_v1_CreatedToken__Output>): grpc.ClientUnaryCall;
  
  Delete(argument: _outrider_admin_v1_DeleteRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_DeleteResponse__Output>): grpc.ClientUnaryCall;
  Delete(argument: _outrider_admin_v1_DeleteRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_DeleteResponse__Output>): grpc.ClientUnaryCall;
  Delete(argument: _outrider_admin_v1_DeleteRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_DeleteResponse__Output>): grpc.ClientUnaryCall;
  Delete(argument: _outrider_admin_v1_DeleteRequest, callback: grpc.requestCallback<_outrider_admin_v1_DeleteResponse__Output>): grpc.ClientUnaryCall;
  delete(argument: _outrider_admin_v1_DeleteRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_DeleteResponse__Output>): grpc.ClientUnaryCall;
  delete(argument: _outrider_admin_v1_DeleteRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_DeleteResponse__Output>): grpc.ClientUnaryCall;
  delete(argument: _outrider_admin_v1_DeleteRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_DeleteResponse__Output>): grpc.ClientUnaryCall;
  delete(argument: _outrider_admin_v1_DeleteRequest, callback: grpc.requestCallback<_outrider_admin_v1_DeleteResponse__Output>): grpc.ClientUnaryCall;
  
  Get(argument: _outrider_admin_v1_GetRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_StoredResource__Output>): grpc.ClientUnaryCall;
  Get(argument: _outrider_admin_v1_GetRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_StoredResource__Output>): grpc.ClientUnaryCall;
  Get(argument: _outrider_admin_v1_GetRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_StoredResource__Output>): grpc.ClientUnaryCall;
  Get(argument: _outrider_admin_v1_GetRequest, callback: grpc.requestCallback<_outrider_admin_v1_StoredResource__Output>): grpc.ClientUnaryCall;
  get(argument: _outrider_admin_v1_GetRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_StoredResource__Output>): grpc.ClientUnaryCall;
  get(argument: _outrider_admin_v1_GetRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_StoredResource__Output>): grpc.ClientUnaryCall;
  get(argument: _outrider_admin_v1_GetRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_StoredResource__Output>): grpc.ClientUnaryCall;
  get(argument: _outrider_admin_v1_GetRequest, callback: grpc.requestCallback<_outrider_admin_v1_StoredResource__Output>): grpc.ClientUnaryCall;
  
  GetAuthorities(argument: _outrider_admin_v1_GetAuthoritiesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  GetAuthorities(argument: _outrider_admin_v1_GetAuthoritiesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  GetAuthorities(argument: _outrider_admin_v1_GetAuthoritiesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  GetAuthorities(argument: _outrider_admin_v1_GetAuthoritiesRequest, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  getAuthorities(argument: _outrider_admin_v1_GetAuthoritiesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  getAuthorities(argument: _outrider_admin_v1_GetAuthoritiesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  getAuthorities(argument: _outrider_admin_v1_GetAuthoritiesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  getAuthorities(argument: _outrider_admin_v1_GetAuthoritiesRequest, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  
  GetBundle(argument: _outrider_admin_v1_GetBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_BundleDocument__Output>): grpc.ClientUnaryCall;
  GetBundle(argument: _outrider_admin_v1_GetBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_BundleDocument__Output>): grpc.ClientUnaryCall;
  GetBundle(argument: _outrider_admin_v1_GetBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_BundleDocument__Output>): grpc.ClientUnaryCall;
  GetBundle(argument: _outrider_admin_v1_GetBundleRequest, callback: grpc.requestCallback<_outrider_admin_v1_BundleDocument__Output>): grpc.ClientUnaryCall;
  getBundle(argument: _outrider_admin_v1_GetBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_BundleDocument__Output>): grpc.ClientUnaryCall;
  getBundle(argument: _outrider_admin_v1_GetBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_BundleDocument__Output>): grpc.ClientUnaryCall;
  getBundle(argument: _outrider_admin_v1_GetBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_BundleDocument__Output>): grpc.ClientUnaryCall;
  getBundle(argument: _outrider_admin_v1_GetBundleRequest, callback: grpc.requestCallback<_outrider_admin_v1_BundleDocument__Output>): grpc.ClientUnaryCall;
  
  GetStatus(argument: _outrider_admin_v1_GetStatusRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ControlStatus__Output>): grpc.ClientUnaryCall;
  GetStatus(argument: _outrider_admin_v1_GetStatusRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ControlStatus__Output>): grpc.ClientUnaryCall;
  GetStatus(argument: _outrider_admin_v1_GetStatusRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ControlStatus__Output>): grpc.ClientUnaryCall;
  GetStatus(argument: _outrider_admin_v1_GetStatusRequest, callback: grpc.requestCallback<_outrider_admin_v1_ControlStatus__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _outrider_admin_v1_GetStatusRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ControlStatus__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _outrider_admin_v1_GetStatusRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ControlStatus__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _outrider_admin_v1_GetStatusRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ControlStatus__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _outrider_admin_v1_GetStatusRequest, callback: grpc.requestCallback<_outrider_admin_v1_ControlStatus__Output>): grpc.ClientUnaryCall;
  
  List(argument: _outrider_admin_v1_ListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _outrider_admin_v1_ListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _outrider_admin_v1_ListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _outrider_admin_v1_ListRequest, callback: grpc.requestCallback<_outrider_admin_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _outrider_admin_v1_ListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _outrider_admin_v1_ListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _outrider_admin_v1_ListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _outrider_admin_v1_ListRequest, callback: grpc.requestCallback<_outrider_admin_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  
  ListApiKeys(argument: _outrider_admin_v1_ListApiKeysRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListApiKeysResponse__Output>): grpc.ClientUnaryCall;
  ListApiKeys(argument: _outrider_admin_v1_ListApiKeysRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ListApiKeysResponse__Output>): grpc.ClientUnaryCall;
  ListApiKeys(argument: _outrider_admin_v1_ListApiKeysRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListApiKeysResponse__Output>): grpc.ClientUnaryCall;
  ListApiKeys(argument: _outrider_admin_v1_ListApiKeysRequest, callback: grpc.requestCallback<_outrider_admin_v1_ListApiKeysResponse__Output>): grpc.ClientUnaryCall;
  listApiKeys(argument: _outrider_admin_v1_ListApiKeysRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListApiKeysResponse__Output>): grpc.ClientUnaryCall;
  listApiKeys(argument: _outrider_admin_v1_ListApiKeysRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ListApiKeysResponse__Output>): grpc.ClientUnaryCall;
  listApiKeys(argument: _outrider_admin_v1_ListApiKeysRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListApiKeysResponse__Output>): grpc.ClientUnaryCall;
  listApiKeys(argument: _outrider_admin_v1_ListApiKeysRequest, callback: grpc.requestCallback<_outrider_admin_v1_ListApiKeysResponse__Output>): grpc.ClientUnaryCall;
  
  ListSidecars(argument: _outrider_admin_v1_ListSidecarsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListSidecarsResponse__Output>): grpc.ClientUnaryCall;
  ListSidecars(argument: _outrider_admin_v1_ListSidecarsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ListSidecarsResponse__Output>): grpc.ClientUnaryCall;
  ListSidecars(argument: _outrider_admin_v1_ListSidecarsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListSidecarsResponse__Output>): grpc.ClientUnaryCall;
  ListSidecars(argument: _outrider_admin_v1_ListSidecarsRequest, callback: grpc.requestCallback<_outrider_admin_v1_ListSidecarsResponse__Output>): grpc.ClientUnaryCall;
  listSidecars(argument: _outrider_admin_v1_ListSidecarsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListSidecarsResponse__Output>): grpc.ClientUnaryCall;
  listSidecars(argument: _outrider_admin_v1_ListSidecarsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ListSidecarsResponse__Output>): grpc.ClientUnaryCall;
  listSidecars(argument: _outrider_admin_v1_ListSidecarsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListSidecarsResponse__Output>): grpc.ClientUnaryCall;
  listSidecars(argument: _outrider_admin_v1_ListSidecarsRequest, callback: grpc.requestCallback<_outrider_admin_v1_ListSidecarsResponse__Output>): grpc.ClientUnaryCall;
  
  ListTokens(argument: _outrider_admin_v1_ListTokensRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListTokensResponse__Output>): grpc.ClientUnaryCall;
  ListTokens(argument: _outrider_admin_v1_ListTokensRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ListTokensResponse__Output>): grpc.ClientUnaryCall;
  ListTokens(argument: _outrider_admin_v1_ListTokensRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListTokensResponse__Output>): grpc.ClientUnaryCall;
  ListTokens(argument: _outrider_admin_v1_ListTokensRequest, callback: grpc.requestCallback<_outrider_admin_v1_ListTokensResponse__Output>): grpc.ClientUnaryCall;
  listTokens(argument: _outrider_admin_v1_ListTokensRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListTokensResponse__Output>): grpc.ClientUnaryCall;
  listTokens(argument: _outrider_admin_v1_ListTokensRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_ListTokensResponse__Output>): grpc.ClientUnaryCall;
  listTokens(argument: _outrider_admin_v1_ListTokensRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_ListTokensResponse__Output>): grpc.ClientUnaryCall;
  listTokens(argument: _outrider_admin_v1_ListTokensRequest, callback: grpc.requestCallback<_outrider_admin_v1_ListTokensResponse__Output>): grpc.ClientUnaryCall;
  
  PrepareAuthority(argument: _outrider_admin_v1_PrepareAuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  PrepareAuthority(argument: _outrider_admin_v1_PrepareAuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  PrepareAuthority(argument: _outrider_admin_v1_PrepareAuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  PrepareAuthority(argument: _outrider_admin_v1_PrepareAuthorityRequest, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  prepareAuthority(argument: _outrider_admin_v1_PrepareAuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  prepareAuthority(argument: _outrider_admin_v1_PrepareAuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  prepareAuthority(argument: _outrider_admin_v1_PrepareAuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  prepareAuthority(argument: _outrider_admin_v1_PrepareAuthorityRequest, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  
  RevokeApiKey(argument: _outrider_admin_v1_RevokeApiKeyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_RevokeApiKeyResponse__Output>): grpc.ClientUnaryCall;
  RevokeApiKey(argument: _outrider_admin_v1_RevokeApiKeyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_RevokeApiKeyResponse__Output>): grpc.ClientUnaryCall;
  RevokeApiKey(argument: _outrider_admin_v1_RevokeApiKeyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_RevokeApiKeyResponse__Output>): grpc.ClientUnaryCall;
  RevokeApiKey(argument: _outrider_admin_v1_RevokeApiKeyRequest, callback: grpc.requestCallback<_outrider_admin_v1_RevokeApiKeyResponse__Output>): grpc.ClientUnaryCall;
  revokeApiKey(argument: _outrider_admin_v1_RevokeApiKeyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_RevokeApiKeyResponse__Output>): grpc.ClientUnaryCall;
  revokeApiKey(argument: _outrider_admin_v1_RevokeApiKeyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_RevokeApiKeyResponse__Output>): grpc.ClientUnaryCall;
  revokeApiKey(argument: _outrider_admin_v1_RevokeApiKeyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_RevokeApiKeyResponse__Output>): grpc.ClientUnaryCall;
  revokeApiKey(argument: _outrider_admin_v1_RevokeApiKeyRequest, callback: grpc.requestCallback<_outrider_admin_v1_RevokeApiKeyResponse__Output>): grpc.ClientUnaryCall;
  
  RevokeAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  RevokeAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  RevokeAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  RevokeAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  revokeAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  revokeAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  revokeAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  revokeAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  
  RevokeToken(argument: _outrider_admin_v1_RevokeTokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_RevokeTokenResponse__Output>): grpc.ClientUnaryCall;
  RevokeToken(argument: _outrider_admin_v1_RevokeTokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_RevokeTokenResponse__Output>): grpc.ClientUnaryCall;
  RevokeToken(argument: _outrider_admin_v1_RevokeTokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_RevokeTokenResponse__Output>): grpc.ClientUnaryCall;
  RevokeToken(argument: _outrider_admin_v1_RevokeTokenRequest, callback: grpc.requestCallback<_outrider_admin_v1_RevokeTokenResponse__Output>): grpc.ClientUnaryCall;
  revokeToken(argument: _outrider_admin_v1_RevokeTokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_RevokeTokenResponse__Output>): grpc.ClientUnaryCall;
  revokeToken(argument: _outrider_admin_v1_RevokeTokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_RevokeTokenResponse__Output>): grpc.ClientUnaryCall;
  revokeToken(argument: _outrider_admin_v1_RevokeTokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_RevokeTokenResponse__Output>): grpc.ClientUnaryCall;
  revokeToken(argument: _outrider_admin_v1_RevokeTokenRequest, callback: grpc.requestCallback<_outrider_admin_v1_RevokeTokenResponse__Output>): grpc.ClientUnaryCall;
  
  RotateApiKey(argument: _outrider_admin_v1_RotateApiKeyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  RotateApiKey(argument: _outrider_admin_v1_RotateApiKeyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  RotateApiKey(argument: _outrider_admin_v1_RotateApiKeyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  RotateApiKey(argument: _outrider_admin_v1_RotateApiKeyRequest, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  rotateApiKey(argument: _outrider_admin_v1_RotateApiKeyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  rotateApiKey(argument: _outrider_admin_v1_RotateApiKeyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  rotateApiKey(argument: _outrider_admin_v1_RotateApiKeyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  rotateApiKey(argument: _outrider_admin_v1_RotateApiKeyRequest, callback: grpc.requestCallback<_outrider_admin_v1_CreatedApiKey__Output>): grpc.ClientUnaryCall;
  
  TaintAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  TaintAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  TaintAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  TaintAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  taintAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  taintAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  taintAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  taintAuthority(argument: _outrider_admin_v1_AuthorityStepRequest, callback: grpc.requestCallback<_outrider_admin_v1_AuthorityList__Output>): grpc.ClientUnaryCall;
  
  Watch(argument: _outrider_admin_v1_WatchRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_outrider_admin_v1_ResourceEvent__Output>;
  Watch(argument: _outrider_admin_v1_WatchRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_outrider_admin_v1_ResourceEvent__Output>;
  watch(argument: _outrider_admin_v1_WatchRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_outrider_admin_v1_ResourceEvent__Output>;
  watch(argument: _outrider_admin_v1_WatchRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_outrider_admin_v1_ResourceEvent__Output>;
  
}

export interface AdminServiceHandlers extends grpc.UntypedServiceImplementation {
  ActivateAuthority: grpc.handleUnaryCall<_outrider_admin_v1_AuthorityStepRequest__Output, _outrider_admin_v1_AuthorityList>;
  
  Apply: grpc.handleUnaryCall<_outrider_admin_v1_ApplyRequest__Output, _outrider_admin_v1_ApplyResponse>;
  
  ApplyCanary: grpc.handleBidiStreamingCall<_outrider_admin_v1_CanaryRequest__Output, _outrider_admin_v1_CanaryEvent>;
  
  CreateApiKey: grpc.handleUnaryCall<_outrider_admin_v1_CreateApiKeyRequest__Output, _outrider_admin_v1_CreatedApiKey>;
  
  CreateToken: grpc.handleUnaryCall<_outrider_admin_v1_CreateTokenRequest__Output, _outrider_admin_v1_CreatedToken>;
  
  Delete: grpc.handleUnaryCall<_outrider_admin_v1_DeleteRequest__Output, _outrider_admin_v1_DeleteResponse>;
  
  Get: grpc.handleUnaryCall<_outrider_admin_v1_GetRequest__Output, _outrider_admin_v1_StoredResource>;
  
  GetAuthorities: grpc.handleUnaryCall<_outrider_admin_v1_GetAuthoritiesRequest__Output, _outrider_admin_v1_AuthorityList>;
  
  GetBundle: grpc.handleUnaryCall<_outrider_admin_v1_GetBundleRequest__Output, _outrider_admin_v1_BundleDocument>;
  
  GetStatus: grpc.handleUnaryCall<_outrider_admin_v1_GetStatusRequest__Output, _outrider_admin_v1_ControlStatus>;
  
  List: grpc.handleUnaryCall<_outrider_admin_v1_ListRequest__Output, _outrider_admin_v1_ListResponse>;
  
  ListApiKeys: grpc.handleUnaryCall<_outrider_admin_v1_ListApiKeysRequest__Output, _outrider_admin_v1_ListApiKeysResponse>;
  
  ListSidecars: grpc.handleUnaryCall<_outrider_admin_v1_ListSidecarsRequest__Output, _outrider_admin_v1_ListSidecarsResponse>;
  
  ListTokens: grpc.handleUnaryCall<_outrider_admin_v1_ListTokensRequest__Output, _outrider_admin_v1_ListTokensResponse>;
  
  PrepareAuthority: grpc.handleUnaryCall<_outrider_admin_v1_PrepareAuthorityRequest__Output, _outrider_admin_v1_AuthorityList>;
  
  RevokeApiKey: grpc.handleUnaryCall<_outrider_admin_v1_RevokeApiKeyRequest__Output, _outrider_admin_v1_RevokeApiKeyResponse>;
  
  RevokeAuthority: grpc.handleUnaryCall<_outrider_admin_v1_AuthorityStepRequest__Output, _outrider_admin_v1_AuthorityList>;
  
  RevokeToken: grpc.handleUnaryCall<_outrider_admin_v1_RevokeTokenRequest__Output, _outrider_admin_v1_RevokeTokenResponse>;
  
  RotateApiKey: grpc.handleUnaryCall<_outrider_admin_v1_RotateApiKeyRequest__Output, _outrider_admin_v1_CreatedApiKey>;
  
  TaintAuthority: grpc.handleUnaryCall<_outrider_admin_v1_AuthorityStepRequest__Output, _outrider_admin_v1_AuthorityList>;
  
  Watch: grpc.handleServerStreamingCall<_outrider_admin_v1_WatchRequest__Output, _outrider_admin_v1_ResourceEvent>;
  
}

export interface AdminServiceDefinition extends grpc.ServiceDefinition {
  ActivateAuthority: MethodDefinition<_outrider_admin_v1_AuthorityStepRequest, _outrider_admin_v1_AuthorityList, _outrider_admin_v1_AuthorityStepRequest__Output, _outrider_admin_v1_AuthorityList__Output>
  Apply: MethodDefinition<_outrider_admin_v1_ApplyRequest, _outrider_admin_v1_ApplyResponse, _outrider_admin_v1_ApplyRequest__Output, _outrider_admin_v1_ApplyResponse__Output>
  ApplyCanary: MethodDefinition<_outrider_admin_v1_CanaryRequest, _outrider_admin_v1_CanaryEvent, _outrider_admin_v1_CanaryRequest__Output, _outrider_admin_v1_CanaryEvent__Output>
  CreateApiKey: MethodDefinition<_outrider_admin_v1_CreateApiKeyRequest, _outrider_admin_v1_CreatedApiKey, _outrider_admin_v1_CreateApiKeyRequest__Output, _outrider_admin_v1_CreatedApiKey__Output>
  CreateToken: MethodDefinition<_outrider_admin_v1_CreateTokenRequest, _outrider_admin_v1_CreatedToken, _outrider_admin_v1_CreateTokenRequest__Output, _outrider_admin_v1_CreatedToken__Output>
  Delete: MethodDefinition<_outrider_admin_v1_DeleteRequest, _outrider_admin_v1_DeleteResponse, _outrider_admin_v1_DeleteRequest__Output, _outrider_admin_v1_DeleteResponse__Output>
  Get: MethodDefinition<_outrider_admin_v1_GetRequest, _outrider_admin_v1_StoredResource, _outrider_admin_v1_GetRequest__Output, _outrider_admin_v1_StoredResource__Output>
  GetAuthorities: MethodDefinition<_outrider_admin_v1_GetAuthoritiesRequest, _outrider_admin_v1_AuthorityList, _outrider_admin_v1_GetAuthoritiesRequest__Output, _outrider_admin_v1_AuthorityList__Output>
  GetBundle: MethodDefinition<_outrider_admin_v1_GetBundleRequest, _outrider_admin_v1_BundleDocument, _outrider_admin_v1_GetBundleRequest__Output, _outrider_admin_v1_BundleDocument__Output>
  GetStatus: MethodDefinition<_outrider_admin_v1_GetStatusRequest, _outrider_admin_v1_ControlStatus, _outrider_admin_v1_GetStatusRequest__Output, _outrider_admin_v1_ControlStatus__Output>
  List: MethodDefinition<_outrider_admin_v1_ListRequest, _outrider_admin_v1_ListResponse, _outrider_admin_v1_ListRequest__Output, _outrider_admin_v1_ListResponse__Output>
  ListApiKeys: MethodDefinition<_outrider_admin_v1_ListApiKeysRequest, _outrider_admin_v1_ListApiKeysResponse, _outrider_admin_v1_ListApiKeysRequest__Output, _outrider_admin_v1_ListApiKeysResponse__Output>
  ListSidecars: MethodDefinition<_outrider_admin_v1_ListSidecarsRequest, _outrider_admin_v1_ListSidecarsResponse, _outrider_admin_v1_ListSidecarsRequest__Output, _outrider_admin_v1_ListSidecarsResponse__Output>
  ListTokens: MethodDefinition<_outrider_admin_v1_ListTokensRequest, _outrider_admin_v1_ListTokensResponse, _outrider_admin_v1_ListTokensRequest__Output, _outrider_admin_v1_ListTokensResponse__Output>
  PrepareAuthority: MethodDefinition<_outrider_admin_v1_PrepareAuthorityRequest, _outrider_admin_v1_AuthorityList, _outrider_admin_v1_PrepareAuthorityRequest__Output, _outrider_admin_v1_AuthorityList__Output>
  RevokeApiKey: MethodDefinition<_outrider_admin_v1_RevokeApiKeyRequest, _outrider_admin_v1_RevokeApiKeyResponse, _outrider_admin_v1_RevokeApiKeyRequest__Output, _outrider_admin_v1_RevokeApiKeyResponse__Output>
  RevokeAuthority: MethodDefinition<_outrider_admin_v1_AuthorityStepRequest, _outrider_admin_v1_AuthorityList, _outrider_admin_v1_AuthorityStepRequest__Output, _outrider_admin_v1_AuthorityList__Output>
  RevokeToken: MethodDefinition<_outrider_admin_v1_RevokeTokenRequest, _outrider_admin_v1_RevokeTokenResponse, _outrider_admin_v1_RevokeTokenRequest__Output, _outrider_admin_v1_RevokeTokenResponse__Output>
  RotateApiKey: MethodDefinition<_outrider_admin_v1_RotateApiKeyRequest, _outrider_admin_v1_CreatedApiKey, _outrider_admin_v1_RotateApiKeyRequest__Output, _outrider_admin_v1_CreatedApiKey__Output>
  TaintAuthority: MethodDefinition<_outrider_admin_v1_AuthorityStepRequest, _outrider_admin_v1_AuthorityList, _outrider_admin_v1_AuthorityStepRequest__Output, _outrider_admin_v1_AuthorityList__Output>
  Watch: MethodDefinition<_outrider_admin_v1_WatchRequest, _outrider_admin_v1_ResourceEvent, _outrider_admin_v1_WatchRequest__Output, _outrider_admin_v1_ResourceEvent__Output>
}
