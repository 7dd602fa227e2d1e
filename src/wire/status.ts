import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Status as _google_rpc_Status, Status__Output as _google_rpc_Status__Output } from './google/rpc/Status.ts';

export interface ProtoGrpcType {
  google: {
    rpc: {
      Status: MessageTypeDefinition<_google_rpc_Status, _google_rpc_Status__Output>
    }
  }
}

