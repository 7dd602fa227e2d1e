/** What a label may say: its closed set of values, or in words what bounds them. Never a raw path or a header. */
export type LabelValues = readonly string[] | string

export interface MetricDefinition {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: Readonly<Record<string, LabelValues>>
  /** Upper bounds, ascending; of histograms only. */
  readonly buckets?: readonly number[]
  /** Of several threads the largest value is told: that of the process, or of the worst thread. Without, their sum. */
  readonly largest?: true
}

export type MetricTable = Readonly<Record<string, MetricDefinition>>

/** Metrics of every process. The names are those that dashboards for Prometheus clients already know. */
export const processMetrics = {
  cpuSeconds: {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'User and system CPU time of the process, in seconds.',
    labels: {},
    largest: true,
  },
  residentBytes: {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of the process, in bytes.',
    labels: {},
    largest: true,
  },
  startTime: {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'When the process started, in seconds since the Unix epoch.',
    labels: {},
    largest: true,
  },
  heapUsedBytes: {
    name: 'nodejs_heap_size_used_bytes',
    type: 'gauge',
    help: 'JavaScript heap in use, of all threads together, in bytes.',
    labels: {},
  },
  externalBytes: {
    name: 'nodejs_external_memory_bytes',
    type: 'gauge',
    help: 'Memory outside the JavaScript heap that belongs to its objects, buffers above all, in bytes.',
    labels: {},
  },
  eventLoopLagP99: {
    name: 'nodejs_eventloop_lag_p99_seconds',
    type: 'gauge',
    help: 'Lag of the event loop since the last scrape, 99th percentile, in seconds; of several threads that of the slowest.',
    labels: {},
    largest: true,
  },
  eventLoopLagMax: {
    name: 'nodejs_eventloop_lag_max_seconds',
    type: 'gauge',
    help: 'Longest lag of the event loop since the last scrape, in seconds, of any thread.',
    labels: {},
    largest: true,
  },
  labelsDropped: {
    name: 'outrider_metric_labels_dropped_total',
    type: 'counter',
    help: 'Uses of a metric that had no room for one more series and went to the series `other`.',
    labels: { metric: 'a name of this page' },
  },
} as const

/** Metrics of the sidecar. */
export const sidecarMetrics = {
  requests: {
    name: 'outrider_requests_total',
    type: 'counter',
    help: 'Requests that got a response, and requests that ended without one (response_code 0).',
    labels: {
      reporter: ['inbound', 'outbound'],
      source_principal: 'the verified SPIFFE ID of the caller, or `anonymous`',
      destination_service:
        'a Service of the policy, or the own workload; `unknown` where no Service was found, `outside` for captured connections to elsewhere',
      response_code: 'a status code',
      refusal: 'the code of the refusal, `none` where the answer is the one of the upstream',
      connection_security_policy: ['mutual_tls', 'none'],
    },
  },
  requestDuration: {
    name: 'outrider_request_duration_seconds',
    type: 'histogram',
    help: 'From the first byte of the request to the last byte of the response, in seconds.',
    labels: { reporter: ['inbound', 'outbound'] },
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  },
  requestBytes: {
    name: 'outrider_request_bytes_total',
    type: 'counter',
    help: 'Bytes of request bodies that were forwarded.',
    labels: { reporter: ['inbound', 'outbound'] },
  },
  responseBytes: {
    name: 'outrider_response_bytes_total',
    type: 'counter',
    help: 'Bytes of response bodies that were forwarded.',
    labels: { reporter: ['inbound', 'outbound'] },
  },
  requestsInFlight: {
    name: 'outrider_requests_in_flight',
    type: 'gauge',
    help: 'Requests that have begun and not ended.',
    labels: {},
  },
  connectionsActive: {
    name: 'outrider_connections_active',
    type: 'gauge',
    help: 'Open connections.',
    labels: { listener: ['inbound', 'outbound', 'admin'] },
  },
  connections: {
    name: 'outrider_connections_total',
    type: 'counter',
    help: 'Connections that were accepted.',
    labels: { listener: ['inbound', 'outbound', 'admin'] },
  },
  connectionsRefused: {
    name: 'outrider_connections_refused_total',
    type: 'counter',
    help: 'Connections that were closed before their first request.',
    labels: { listener: ['inbound', 'outbound', 'admin'], reason: 'a refusal code' },
  },
  unknownDestinations: {
    name: 'outrider_unknown_destinations_total',
    type: 'counter',
    help: 'Captured connections of the application to where no service is, by what became of them.',
    labels: { decision: ['allow', 'deny'] },
  },
  inboundConnections: {
    name: 'outrider_inbound_connections_total',
    type: 'counter',
    help: 'Inbound connections by how their client came. A listener may be made strict when `none` no longer grows there.',
    labels: {
      port: 'the port of a listener in the option `inbound`',
      mode: ['strict', 'permissive', 'plaintext'],
      security: ['mutual_tls', 'none'],
    },
  },
  plaintextLastSeen: {
    name: 'outrider_plaintext_last_seen_timestamp_seconds',
    type: 'gauge',
    help: 'When a client without TLS was last served, in seconds since the Unix epoch; no series where none ever was.',
    labels: { port: 'the port of a listener in the option `inbound`' },
  },
  tlsHandshakeFailures: {
    name: 'outrider_tls_handshake_failures_total',
    type: 'counter',
    help: 'Mutual TLS connections that failed: in the handshake, or by a certificate that either side refuses (docs/guides/tls-failures.md).',
    labels: { listener: ['inbound', 'outbound', 'admin'], reason: 'a refusal code' },
  },
  httpProtocolErrors: {
    name: 'outrider_http_protocol_errors_total',
    type: 'counter',
    help: 'Messages that were refused because they break HTTP.',
    labels: { listener: ['inbound', 'outbound', 'admin'], code: 'a protocol error code' },
  },
  authorizationDecisions: {
    name: 'outrider_authorization_decisions_total',
    type: 'counter',
    help: 'Decisions about requests.',
    labels: {
      decision: ['allow', 'deny'],
      policy: 'namespace/name of the AuthorizationPolicy that decided, or `none`',
    },
  },
  apiKeys: {
    name: 'outrider_api_keys_total',
    type: 'counter',
    help: 'API keys that were shown: good ones, and why the others were refused.',
    labels: { result: ['good', 'apikey-malformed', 'apikey-unknown', 'apikey-expired', 'apikey-locked-out'] },
  },
  externalChecks: {
    name: 'outrider_external_checks_total',
    type: 'counter',
    help: 'Questions to external authorization servers by what came of them; `allowed-without-answer` is a weakening (onFailure: allow).',
    labels: {
      server: 'namespace/name of an ExternalAuthorization',
      result: ['allowed', 'denied', 'timeout', 'unavailable', 'overloaded', 'malformed', 'allowed-without-answer'],
    },
  },
  externalCheckDuration: {
    name: 'outrider_external_check_duration_seconds',
    type: 'histogram',
    help: 'From the question to an external authorization server to its answer or the end of waiting, in seconds.',
    labels: {},
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10],
  },
  extAuthzChecks: {
    name: 'outrider_ext_authz_checks_total',
    type: 'counter',
    help: 'Questions that others, such as an Envoy, asked this sidecar as their external authorization server.',
    labels: { decision: ['allow', 'deny'], refusal: 'the code of the refusal, `none` where the request is allowed' },
  },
  rateLimited: {
    name: 'outrider_rate_limited_total',
    type: 'counter',
    help: 'Requests that were refused by a rate limit.',
    labels: { limit: 'namespace/name/limit of a RateLimit' },
  },
  upstreamConnectionsActive: {
    name: 'outrider_upstream_connections_active',
    type: 'gauge',
    help: 'Open connections to endpoints of a service, or to the own application.',
    labels: { service: 'a Service of the policy, `application`, or `outside`' },
  },
  upstreamRequestsRetried: {
    name: 'outrider_upstream_requests_retried_total',
    type: 'counter',
    help: 'Requests that were sent again because nothing had taken them: the connection failed first, or the sidecar of the endpoint could not reach its application.',
    labels: {},
  },
  upstreamFailures: {
    name: 'outrider_upstream_failures_total',
    type: 'counter',
    help: 'Attempts at an endpoint that failed.',
    labels: { reason: 'a refusal code' },
  },
  policyRevision: {
    name: 'outrider_policy_revision',
    type: 'gauge',
    help: 'Revision of the policy in force; 0 before the first one, while everything is refused.',
    labels: {},
  },
  policySource: {
    name: 'outrider_policy_source',
    type: 'gauge',
    help: '1 for where the policy in force is from, else 0: the control server, or the last-good copy on disk.',
    labels: { source: ['none', 'control', 'last-good'] },
  },
  policyAge: {
    name: 'outrider_policy_age_seconds',
    type: 'gauge',
    help: 'Since when the policy in force is not known to be the one that the control server wants, in seconds; 0 while the policy stream is open.',
    labels: {},
  },
  lastGoodWrites: {
    name: 'outrider_last_good_writes_total',
    type: 'counter',
    help: 'Attempts to write the identity, the policy or its age into `stateDir`.',
    labels: { result: ['written', 'failed'] },
  },
  policyUpdates: {
    name: 'outrider_policy_updates_total',
    type: 'counter',
    help: 'Policy updates by what became of them.',
    labels: { result: ['applied', 'nacked'] },
  },
  policyApplyDuration: {
    name: 'outrider_policy_apply_duration_seconds',
    type: 'histogram',
    help: 'Decoding, compiling and applying one policy update, in seconds.',
    labels: {},
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  },
  svidExpiry: {
    name: 'outrider_svid_expiry_timestamp_seconds',
    type: 'gauge',
    help: 'When the present certificate of the workload expires, in seconds since the Unix epoch.',
    labels: {},
  },
  svidRenewals: {
    name: 'outrider_svid_renewals_total',
    type: 'counter',
    help: 'Attempts to renew the certificate of the workload.',
    labels: { result: ['renewed', 'failed'] },
  },
  svidAlarms: {
    name: 'outrider_svid_alarms_total',
    type: 'counter',
    help: 'Certificates of the workload that were not renewed at 80 % of their lifetime (overdue), and at its end (expired).',
    labels: { alarm: ['overdue', 'expired'] },
  },
  clockSkew: {
    name: 'outrider_clock_skew_seconds',
    type: 'gauge',
    help: 'By how much this clock is ahead of the control server, seen when a certificate was issued; 0 within what the call took.',
    labels: {},
  },
  workloadApiCalls: {
    name: 'outrider_workload_api_calls_total',
    type: 'counter',
    help: 'Calls of the Workload API and of secret discovery, by whether the user of the caller may have the identity.',
    labels: {
      method: [
        'FetchX509SVID',
        'FetchX509Bundles',
        'FetchJWTSVID',
        'FetchJWTBundles',
        'ValidateJWTSVID',
        'StreamSecrets',
        'DeltaSecrets',
        'FetchSecrets',
      ],
      result: ['admitted', 'refused'],
    },
  },
  workloadApiStreams: {
    name: 'outrider_workload_api_streams',
    type: 'gauge',
    help: 'Streams that are open on the Workload API and on secret discovery.',
    labels: {},
  },
  controlConnected: {
    name: 'outrider_control_connected',
    type: 'gauge',
    help: '1 while the policy stream to the control server is open, else 0.',
    labels: {},
  },
  connectionsMoved: {
    name: 'outrider_connections_moved_total',
    type: 'counter',
    help: 'Connections that were asked to be opened anew because their worker thread was much busier than another one.',
    labels: {},
  },
  workerRestarts: {
    name: 'outrider_worker_restarts_total',
    type: 'counter',
    help: 'Worker threads that ended unexpectedly and were replaced.',
    labels: {},
  },
  tokens: {
    name: 'outrider_tokens_total',
    type: 'counter',
    help: 'Tokens of users that requests showed, by what became of them. `remembered`: proven a moment ago, or known to be not good.',
    labels: {
      kind: ['jwt', 'introspection'],
      result: ['verified', 'remembered', 'active', 'inactive', 'refused', 'failed'],
    },
  },
  keySetRefreshes: {
    name: 'outrider_key_set_refreshes_total',
    type: 'counter',
    help: 'Questions for the keys of an issuer, by what became of them.',
    labels: { key_set: 'the address of a JWK Set of the policy', result: '`fetched`, or the code of an error' },
  },
  keySetFetched: {
    name: 'outrider_key_set_fetched_timestamp_seconds',
    type: 'gauge',
    help: 'When the keys of an issuer last came, in seconds since the Unix epoch; 0: never, or they are no longer asked for.',
    labels: { key_set: 'the address of a JWK Set of the policy' },
  },
  accessLogDropped: {
    name: 'outrider_access_log_dropped_total',
    type: 'counter',
    help: 'Lines of the access log that were lost because its reader is too slow.',
    labels: {},
  },
} as const

/** Of the sidecar's, those of every process that gets its identity from the control server. */
export type EnrolmentMetric = 'svidExpiry' | 'svidRenewals' | 'svidAlarms' | 'clockSkew'
export type EnrolmentMetrics = Pick<typeof sidecarMetrics, EnrolmentMetric>

/** Metrics of the control server. */
export const controlMetrics = {
  svidsIssued: {
    name: 'outrider_svids_issued_total',
    type: 'counter',
    help: 'Certificates that were issued to workloads.',
    labels: {},
  },
  attestationsRefused: {
    name: 'outrider_attestation_refused_total',
    type: 'counter',
    help: 'Requests for a first certificate or a renewal that were refused.',
    labels: { reason: 'an error code' },
  },
  sidecarsConnected: {
    name: 'outrider_sidecars_connected',
    type: 'gauge',
    help: 'Sidecars with an open policy stream.',
    labels: {},
  },
  sidecars: {
    name: 'outrider_sidecars',
    type: 'gauge',
    help: 'Sidecars by what is known of them, once a second; lagging: a change has waited for them for more than 10 seconds.',
    labels: { state: ['synced', 'pending', 'lagging', 'nacked', 'draining', 'disconnected'] },
  },
  canaries: {
    name: 'outrider_canaries_total',
    type: 'counter',
    help: 'Changes that were given to some sidecars first, by what became of them.',
    labels: { result: ['promoted', 'rolled_back'] },
  },
  storeRevision: {
    name: 'outrider_store_revision',
    type: 'gauge',
    help: 'Revision of the store.',
    labels: {},
  },
  kubernetesObjects: {
    name: 'outrider_kubernetes_objects',
    type: 'gauge',
    help: 'Objects of the cluster that are known, with `store: kubernetes`.',
    labels: { type: 'plural and API group, such as `services` or `services.outrider.mesh`' },
  },
  kubernetesInStep: {
    name: 'outrider_kubernetes_in_step',
    type: 'gauge',
    help: '1 while changes of these objects come as they happen; 0 while they do not, and what was known before stays in force.',
    labels: { type: 'as of `outrider_kubernetes_objects`' },
  },
  kubernetesProgress: {
    name: 'outrider_kubernetes_progress_timestamp_seconds',
    type: 'gauge',
    help: 'When the API server last told of these objects, if only that there is nothing new, in seconds since the Unix epoch; about once a minute at least.',
    labels: { type: 'as of `outrider_kubernetes_objects`' },
  },
  kubernetesHeldBack: {
    name: 'outrider_kubernetes_held_back',
    type: 'gauge',
    help: 'Resources of the cluster that are not served as they are written, because they are not valid or name what is not there.',
    labels: { kind: 'of the resource' },
  },
  kubernetesStatusWrites: {
    name: 'outrider_kubernetes_status_writes_total',
    type: 'counter',
    help: 'Writes of the status of resources; conflict: another server was faster, and it is written anew.',
    labels: { result: ['written', 'conflict', 'failed'] },
  },
  policyPushes: {
    name: 'outrider_policy_pushes_total',
    type: 'counter',
    help: 'Policy updates that sidecars answered, and answers to an update that is no longer in flight (stale).',
    labels: { result: ['acked', 'nacked', 'stale'] },
  },
  federationPolls: {
    name: 'outrider_federation_polls_total',
    type: 'counter',
    help: 'Polls of bundle endpoints: the bundle was unchanged or has changed, or why it was not taken.',
    labels: { trust_domain: 'of a TrustDomain resource', result: '`unchanged`, `changed`, or an error code' },
  },
  federatedBundleFetched: {
    name: 'outrider_federated_bundle_fetched_timestamp_seconds',
    type: 'gauge',
    help: 'When the trust bundle of a foreign trust domain was last fetched, in seconds since the Unix epoch; 0 when it never was.',
    labels: { trust_domain: 'of a TrustDomain resource' },
  },
  federatedBundleSequence: {
    name: 'outrider_federated_bundle_sequence',
    type: 'gauge',
    help: 'Sequence that the publisher gave the trust bundle of a foreign trust domain; 0 without one.',
    labels: { trust_domain: 'of a TrustDomain resource' },
  },
  trustBundleSequence: {
    name: 'outrider_trust_bundle_sequence',
    type: 'gauge',
    help: 'Sequence of the own trust bundle; of control servers that share a CA it is the same within a second.',
    labels: {},
  },
  caFault: {
    name: 'outrider_ca_fault',
    type: 'gauge',
    help: '1 while the CA that is kept in the cluster cannot be read or is not taken over, and an earlier one stays in force, else 0.',
    labels: {},
  },
  trustConfigMaps: {
    name: 'outrider_trust_config_map_writes_total',
    type: 'counter',
    help: 'Writes of the trust bundle to the ConfigMap of a namespace.',
    labels: { result: ['applied', 'failed'] },
  },
  trustConfigMapsBehind: {
    name: 'outrider_trust_config_maps_behind',
    type: 'gauge',
    help: 'Namespaces whose ConfigMap does not have the trust bundle that is in force, or not yet.',
    labels: {},
  },
} as const

const webhookMetrics = {
  reviews: {
    name: 'outrider_admission_reviews_total',
    type: 'counter',
    help: 'Reviews of the API server. Refused: the pod cannot be made safe; invalid: the resource is; malformed, overloaded and failed: there was no answer, and failurePolicy decides.',
    labels: {
      webhook: ['inject', 'validate'],
      result: ['injected', 'unchanged', 'refused', 'valid', 'invalid', 'malformed', 'overloaded', 'failed'],
    },
  },
  reviewDuration: {
    name: 'outrider_admission_review_duration_seconds',
    type: 'histogram',
    help: 'Time from the last byte of a review to its answer.',
    labels: { webhook: ['inject', 'validate'] },
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1],
  },
  caBundlePatches: {
    name: 'outrider_webhook_ca_bundle_updates_total',
    type: 'counter',
    help: 'Looks at the webhook configurations: they were as they should be, were changed, or could not be.',
    labels: { result: ['unchanged', 'changed', 'failed'] },
  },
} as const

/** Metrics of the injector. */
export const injectorMetrics: typeof webhookMetrics & EnrolmentMetrics = {
  ...webhookMetrics,
  svidExpiry: sidecarMetrics.svidExpiry,
  svidRenewals: sidecarMetrics.svidRenewals,
  svidAlarms: sidecarMetrics.svidAlarms,
  clockSkew: sidecarMetrics.clockSkew,
}
