import type grpc from '@grpc/grpc-js'

/** How a client's connection is kept and made anew; `maxMessageBytes` bounds what the server may answer. */
export function channelOptions(maxMessageBytes: number): grpc.ClientOptions {
  return {
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    // Otherwise a channel with a new SVID may be given the connection of the old one.
    'grpc.use_local_subchannel_pool': 1,
  }
}
