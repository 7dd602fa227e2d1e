// From policy/v1/policy.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { PolicyUpdate as _outrider_policy_v1_PolicyUpdate, PolicyUpdate__Output as _outrider_policy_v1_PolicyUpdate__Output } from '../../../outrider/policy/v1/PolicyUpdate.ts';
import type { SubscribeRequest as _outrider_policy_v1_SubscribeRequest, SubscribeRequest__Output as _outrider_policy_v1_SubscribeRequest__Output } from '../../../outrider/policy/v1/SubscribeRequest.ts';

export interface PolicyServiceClient extends grpc.Client {
  Subscribe(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_outrider_policy_v1_SubscribeRequest, _outrider_policy_v1_PolicyUpdate__Output>;
  Subscribe(options?: grpc.CallOptions): grpc.ClientDuplexStream<_outrider_policy_v1_SubscribeRequest, _outrider_policy_v1_PolicyUpdate__Output>;
  subscribe(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_outrider_policy_v1_SubscribeRequest, _outrider_policy_v1_PolicyUpdate__Output>;
  subscribe(options?: grpc.CallOptions): grpc.ClientDuplexStream<_outrider_policy_v1_SubscribeRequest, _outrider_policy_v1_PolicyUpdate__Output>;
  
}

export interface PolicyServiceHandlers extends grpc.UntypedServiceImplementation {
  Subscribe: grpc.handleBidiStreamingCall<_outrider_policy_v1_SubscribeRequest__Output, _outrider_policy_v1_PolicyUpdate>;
  
}

export interface PolicyServiceDefinition extends grpc.ServiceDefinition {
  Subscribe: MethodDefinition<_outrider_policy_v1_SubscribeRequest, _outrider_policy_v1_PolicyUpdate, _outrider_policy_v1_SubscribeRequest__Output, _outrider_policy_v1_PolicyUpdate__Output>
}
