import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from './google/protobuf/Duration.ts';
import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from './google/protobuf/Timestamp.ts';
import type { Ack as _outrider_policy_v1_Ack, Ack__Output as _outrider_policy_v1_Ack__Output } from './outrider/policy/v1/Ack.ts';
import type { ApiKeyAcceptance as _outrider_policy_v1_ApiKeyAcceptance, ApiKeyAcceptance__Output as _outrider_policy_v1_ApiKeyAcceptance__Output } from './outrider/policy/v1/ApiKeyAcceptance.ts';
import type { ApiKeySecret as _outrider_policy_v1_ApiKeySecret, ApiKeySecret__Output as _outrider_policy_v1_ApiKeySecret__Output } from './outrider/policy/v1/ApiKeySecret.ts';
import type { ApiKeySpec as _outrider_policy_v1_ApiKeySpec, ApiKeySpec__Output as _outrider_policy_v1_ApiKeySpec__Output } from './outrider/policy/v1/ApiKeySpec.ts';
import type { ApiKeyUse as _outrider_policy_v1_ApiKeyUse, ApiKeyUse__Output as _outrider_policy_v1_ApiKeyUse__Output } from './outrider/policy/v1/ApiKeyUse.ts';
import type { AuthorityUse as _outrider_policy_v1_AuthorityUse, AuthorityUse__Output as _outrider_policy_v1_AuthorityUse__Output } from './outrider/policy/v1/AuthorityUse.ts';
import type { AuthorizationPolicySpec as _outrider_policy_v1_AuthorizationPolicySpec, AuthorizationPolicySpec__Output as _outrider_policy_v1_AuthorizationPolicySpec__Output } from './outrider/policy/v1/AuthorizationPolicySpec.ts';
import type { AuthorizationRule as _outrider_policy_v1_AuthorizationRule, AuthorizationRule__Output as _outrider_policy_v1_AuthorizationRule__Output } from './outrider/policy/v1/AuthorizationRule.ts';
import type { BundleInForce as _outrider_policy_v1_BundleInForce, BundleInForce__Output as _outrider_policy_v1_BundleInForce__Output } from './outrider/policy/v1/BundleInForce.ts';
import type { ClaimToHeader as _outrider_policy_v1_ClaimToHeader, ClaimToHeader__Output as _outrider_policy_v1_ClaimToHeader__Output } from './outrider/policy/v1/ClaimToHeader.ts';
import type { Condition as _outrider_policy_v1_Condition, Condition__Output as _outrider_policy_v1_Condition__Output } from './outrider/policy/v1/Condition.ts';
import type { Draining as _outrider_policy_v1_Draining, Draining__Output as _outrider_policy_v1_Draining__Output } from './outrider/policy/v1/Draining.ts';
import type { EncodedPolicyUpdate as _outrider_policy_v1_EncodedPolicyUpdate, EncodedPolicyUpdate__Output as _outrider_policy_v1_EncodedPolicyUpdate__Output } from './outrider/policy/v1/EncodedPolicyUpdate.ts';
import type { Endpoint as _outrider_policy_v1_Endpoint, Endpoint__Output as _outrider_policy_v1_Endpoint__Output } from './outrider/policy/v1/Endpoint.ts';
import type { ExternalAuthorizationSpec as _outrider_policy_v1_ExternalAuthorizationSpec, ExternalAuthorizationSpec__Output as _outrider_policy_v1_ExternalAuthorizationSpec__Output } from './outrider/policy/v1/ExternalAuthorizationSpec.ts';
import type { HeaderLocation as _outrider_policy_v1_HeaderLocation, HeaderLocation__Output as _outrider_policy_v1_HeaderLocation__Output } from './outrider/policy/v1/HeaderLocation.ts';
import type { HealthReport as _outrider_policy_v1_HealthReport, HealthReport__Output as _outrider_policy_v1_HealthReport__Output } from './outrider/policy/v1/HealthReport.ts';
import type { Hello as _outrider_policy_v1_Hello, Hello__Output as _outrider_policy_v1_Hello__Output } from './outrider/policy/v1/Hello.ts';
import type { InboundListener as _outrider_policy_v1_InboundListener, InboundListener__Output as _outrider_policy_v1_InboundListener__Output } from './outrider/policy/v1/InboundListener.ts';
import type { Introspection as _outrider_policy_v1_Introspection, Introspection__Output as _outrider_policy_v1_Introspection__Output } from './outrider/policy/v1/Introspection.ts';
import type { JwtIssuer as _outrider_policy_v1_JwtIssuer, JwtIssuer__Output as _outrider_policy_v1_JwtIssuer__Output } from './outrider/policy/v1/JwtIssuer.ts';
import type { Limit as _outrider_policy_v1_Limit, Limit__Output as _outrider_policy_v1_Limit__Output } from './outrider/policy/v1/Limit.ts';
import type { Listening as _outrider_policy_v1_Listening, Listening__Output as _outrider_policy_v1_Listening__Output } from './outrider/policy/v1/Listening.ts';
import type { Nack as _outrider_policy_v1_Nack, Nack__Output as _outrider_policy_v1_Nack__Output } from './outrider/policy/v1/Nack.ts';
import type { OperationMatch as _outrider_policy_v1_OperationMatch, OperationMatch__Output as _outrider_policy_v1_OperationMatch__Output } from './outrider/policy/v1/OperationMatch.ts';
import type { PolicyServiceClient as _outrider_policy_v1_PolicyServiceClient, PolicyServiceDefinition as _outrider_policy_v1_PolicyServiceDefinition } from './outrider/policy/v1/PolicyService.ts';
import type { PolicyUpdate as _outrider_policy_v1_PolicyUpdate, PolicyUpdate__Output as _outrider_policy_v1_PolicyUpdate__Output } from './outrider/policy/v1/PolicyUpdate.ts';
import type { PublishedKeys as _outrider_policy_v1_PublishedKeys, PublishedKeys__Output as _outrider_policy_v1_PublishedKeys__Output } from './outrider/policy/v1/PublishedKeys.ts';
import type { RateLimitSpec as _outrider_policy_v1_RateLimitSpec, RateLimitSpec__Output as _outrider_policy_v1_RateLimitSpec__Output } from './outrider/policy/v1/RateLimitSpec.ts';
import type { RequestAuthenticationSpec as _outrider_policy_v1_RequestAuthenticationSpec, RequestAuthenticationSpec__Output as _outrider_policy_v1_RequestAuthenticationSpec__Output } from './outrider/policy/v1/RequestAuthenticationSpec.ts';
import type { Resource as _outrider_policy_v1_Resource, Resource__Output as _outrider_policy_v1_Resource__Output } from './outrider/policy/v1/Resource.ts';
import type { ResourceName as _outrider_policy_v1_ResourceName, ResourceName__Output as _outrider_policy_v1_ResourceName__Output } from './outrider/policy/v1/ResourceName.ts';
import type { ResourceVersion as _outrider_policy_v1_ResourceVersion, ResourceVersion__Output as _outrider_policy_v1_ResourceVersion__Output } from './outrider/policy/v1/ResourceVersion.ts';
import type { RevocationSpec as _outrider_policy_v1_RevocationSpec, RevocationSpec__Output as _outrider_policy_v1_RevocationSpec__Output } from './outrider/policy/v1/RevocationSpec.ts';
import type { ServerNameMatch as _outrider_policy_v1_ServerNameMatch, ServerNameMatch__Output as _outrider_policy_v1_ServerNameMatch__Output } from './outrider/policy/v1/ServerNameMatch.ts';
import type { ServicePort as _outrider_policy_v1_ServicePort, ServicePort__Output as _outrider_policy_v1_ServicePort__Output } from './outrider/policy/v1/ServicePort.ts';
import type { ServiceSpec as _outrider_policy_v1_ServiceSpec, ServiceSpec__Output as _outrider_policy_v1_ServiceSpec__Output } from './outrider/policy/v1/ServiceSpec.ts';
import type { SourceMatch as _outrider_policy_v1_SourceMatch, SourceMatch__Output as _outrider_policy_v1_SourceMatch__Output } from './outrider/policy/v1/SourceMatch.ts';
import type { SubscribeRequest as _outrider_policy_v1_SubscribeRequest, SubscribeRequest__Output as _outrider_policy_v1_SubscribeRequest__Output } from './outrider/policy/v1/SubscribeRequest.ts';
import type { TimeMatch as _outrider_policy_v1_TimeMatch, TimeMatch__Output as _outrider_policy_v1_TimeMatch__Output } from './outrider/policy/v1/TimeMatch.ts';
import type { TokenAcceptance as _outrider_policy_v1_TokenAcceptance, TokenAcceptance__Output as _outrider_policy_v1_TokenAcceptance__Output } from './outrider/policy/v1/TokenAcceptance.ts';
import type { TokenLocation as _outrider_policy_v1_TokenLocation, TokenLocation__Output as _outrider_policy_v1_TokenLocation__Output } from './outrider/policy/v1/TokenLocation.ts';
import type { TrustReport as _outrider_policy_v1_TrustReport, TrustReport__Output as _outrider_policy_v1_TrustReport__Output } from './outrider/policy/v1/TrustReport.ts';
import type { UsedSecret as _outrider_policy_v1_UsedSecret, UsedSecret__Output as _outrider_policy_v1_UsedSecret__Output } from './outrider/policy/v1/UsedSecret.ts';
import type { ValueMatch as _outrider_policy_v1_ValueMatch, ValueMatch__Output as _outrider_policy_v1_ValueMatch__Output } from './outrider/policy/v1/ValueMatch.ts';
import type { Violation as _outrider_policy_v1_Violation, Violation__Output as _outrider_policy_v1_Violation__Output } from './outrider/policy/v1/Violation.ts';
import type { WorkloadSpec as _outrider_policy_v1_WorkloadSpec, WorkloadSpec__Output as _outrider_policy_v1_WorkloadSpec__Output } from './outrider/policy/v1/WorkloadSpec.ts';

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
    policy: {
      v1: {
        Ack: MessageTypeDefinition<_outrider_policy_v1_Ack, _outrider_policy_v1_Ack__Output>
        ApiKeyAcceptance: MessageTypeDefinition<_outrider_policy_v1_ApiKeyAcceptance, _outrider_policy_v1_ApiKeyAcceptance__Output>
        ApiKeySecret: MessageTypeDefinition<_outrider_policy_v1_ApiKeySecret, _outrider_policy_v1_ApiKeySecret__Output>
        ApiKeySpec: MessageTypeDefinition<_outrider_policy_v1_ApiKeySpec, _outrider_policy_v1_ApiKeySpec__Output>
        ApiKeyUse: MessageTypeDefinition<_outrider_policy_v1_ApiKeyUse, _outrider_policy_v1_ApiKeyUse__Output>
        AuthorityUse: MessageTypeDefinition<_outrider_policy_v1_AuthorityUse, _outrider_policy_v1_AuthorityUse__Output>
        AuthorizationPolicySpec: MessageTypeDefinition<_outrider_policy_v1_AuthorizationPolicySpec, _outrider_policy_v1_AuthorizationPolicySpec__Output>
        AuthorizationRule: MessageTypeDefinition<_outrider_policy_v1_AuthorizationRule, _outrider_policy_v1_AuthorizationRule__Output>
        BundleInForce: MessageTypeDefinition<_outrider_policy_v1_BundleInForce, _outrider_policy_v1_BundleInForce__Output>
        ClaimToHeader: MessageTypeDefinition<_outrider_policy_v1_ClaimToHeader, _outrider_policy_v1_ClaimToHeader__Output>
        Condition: MessageTypeDefinition<_outrider_policy_v1_Condition, _outrider_policy_v1_Condition__Output>
        Draining: MessageTypeDefinition<_outrider_policy_v1_Draining, _outrider_policy_v1_Draining__Output>
        EncodedPolicyUpdate: MessageTypeDefinition<_outrider_policy_v1_EncodedPolicyUpdate, _outrider_policy_v1_EncodedPolicyUpdate__Output>
        Endpoint: MessageTypeDefinition<_outrider_policy_v1_Endpoint, _outrider_policy_v1_Endpoint__Output>
        ExternalAuthorizationSpec: MessageTypeDefinition<_outrider_policy_v1_ExternalAuthorizationSpec, _outrider_policy_v1_ExternalAuthorizationSpec__Output>
        HeaderLocation: MessageTypeDefinition<_outrider_policy_v1_HeaderLocation, _outrider_policy_v1_HeaderLocation__Output>
        HealthReport: MessageTypeDefinition<_outrider_policy_v1_HealthReport, _outrider_policy_v1_HealthReport__Output>
        Hello: MessageTypeDefinition<_outrider_policy_v1_Hello, _outrider_policy_v1_Hello__Output>
        InboundListener: MessageTypeDefinition<_outrider_policy_v1_InboundListener, _outrider_policy_v1_InboundListener__Output>
        Introspection: MessageTypeDefinition<_outrider_policy_v1_Introspection, _outrider_policy_v1_Introspection__Output>
        JwtIssuer: MessageTypeDefinition<_outrider_policy_v1_JwtIssuer, _outrider_policy_v1_JwtIssuer__Output>
        Limit: MessageTypeDefinition<_outrider_policy_v1_Limit, _outrider_policy_v1_Limit__Output>
        Listening: MessageTypeDefinition<_outrider_policy_v1_Listening, _outrider_policy_v1_Listening__Output>
        Nack: MessageTypeDefinition<_outrider_policy_v1_Nack, _outrider_policy_v1_Nack__Output>
        OperationMatch: MessageTypeDefinition<_outrider_policy_v1_OperationMatch, _outrider_policy_v1_OperationMatch__Output>
        PolicyService: SubtypeConstructor<typeof grpc.Client, _outrider_policy_v1_PolicyServiceClient> & { service: _outrider_policy_v1_PolicyServiceDefinition }
        PolicyUpdate: MessageTypeDefinition<_outrider_policy_v1_PolicyUpdate, _outrider_policy_v1_PolicyUpdate__Output>
        PublishedKeys: MessageTypeDefinition<_outrider_policy_v1_PublishedKeys, _outrider_policy_v1_PublishedKeys__Output>
        RateLimitSpec: MessageTypeDefinition<_outrider_policy_v1_RateLimitSpec, _outrider_policy_v1_RateLimitSpec__Output>
        RequestAuthenticationSpec: MessageTypeDefinition<_outrider_policy_v1_RequestAuthenticationSpec, _outrider_policy_v1_RequestAuthenticationSpec__Output>
        Resource: MessageTypeDefinition<_outrider_policy_v1_Resource, _outrider_policy_v1_Resource__Output>
        ResourceName: MessageTypeDefinition<_outrider_policy_v1_ResourceName, _outrider_policy_v1_ResourceName__Output>
        ResourceVersion: MessageTypeDefinition<_outrider_policy_v1_ResourceVersion, _outrider_policy_v1_ResourceVersion__Output>
        RevocationSpec: MessageTypeDefinition<_outrider_policy_v1_RevocationSpec, _outrider_policy_v1_RevocationSpec__Output>
        ServerNameMatch: MessageTypeDefinition<_outrider_policy_v1_ServerNameMatch, _outrider_policy_v1_ServerNameMatch__Output>
        ServicePort: MessageTypeDefinition<_outrider_policy_v1_ServicePort, _outrider_policy_v1_ServicePort__Output>
        ServiceSpec: MessageTypeDefinition<_outrider_policy_v1_ServiceSpec, _outrider_policy_v1_ServiceSpec__Output>
        SourceMatch: MessageTypeDefinition<_outrider_policy_v1_SourceMatch, _outrider_policy_v1_SourceMatch__Output>
        SubscribeRequest: MessageTypeDefinition<_outrider_policy_v1_SubscribeRequest, _outrider_policy_v1_SubscribeRequest__Output>
        TimeMatch: MessageTypeDefinition<_outrider_policy_v1_TimeMatch, _outrider_policy_v1_TimeMatch__Output>
        TokenAcceptance: MessageTypeDefinition<_outrider_policy_v1_TokenAcceptance, _outrider_policy_v1_TokenAcceptance__Output>
        TokenLocation: MessageTypeDefinition<_outrider_policy_v1_TokenLocation, _outrider_policy_v1_TokenLocation__Output>
        TrustReport: MessageTypeDefinition<_outrider_policy_v1_TrustReport, _outrider_policy_v1_TrustReport__Output>
        UsedSecret: MessageTypeDefinition<_outrider_policy_v1_UsedSecret, _outrider_policy_v1_UsedSecret__Output>
        ValueMatch: MessageTypeDefinition<_outrider_policy_v1_ValueMatch, _outrider_policy_v1_ValueMatch__Output>
        Violation: MessageTypeDefinition<_outrider_policy_v1_Violation, _outrider_policy_v1_Violation__Output>
        WorkloadSpec: MessageTypeDefinition<_outrider_policy_v1_WorkloadSpec, _outrider_policy_v1_WorkloadSpec__Output>
      }
    }
  }
}

