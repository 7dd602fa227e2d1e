import { OutriderError } from '../lib/errors.ts'
import { checkCapture } from './capture.ts'
import { parseProbeTargets } from '../lib/probe-target.ts'
import { isOfThisMachine, parseServerAddress } from '../lib/server-address.ts'
import { parseAllowance } from '../lib/special-address.ts'
import { type ConfigSources, loadConfig } from './load.ts'
import type { ConfigOf } from './option.ts'

/** Options of `outrider sidecar`. */
export const sidecarOptions = {
  controlAddress: {
    type: 'address',
    use: 'connect',
    default: '127.0.0.1:15412',
    doc: 'Where the control server listens. Its identity is verified, so the address need not be trusted.',
  },
  joinToken: {
    type: 'secret',
    default: '',
    doc: 'The join token for the first certificate, from `outrider token create`. It works once; renewals use the certificate.',
  },
  joinTokenFile: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'A file that holds the join token, for where a file is easier to protect than an environment variable.',
  },
  attestation: {
    type: 'enum',
    values: ['join-token', 'kubernetes', 'x509'],
    default: 'join-token',
    doc: 'What the first certificate is asked for with: a join token; the projected service-account token of a Kubernetes pod; or a certificate of another authority, with proof of its key. The last two can be shown again, so that the sidecar also recovers when its certificate is long over.',
  },
  spiffeId: {
    type: 'string',
    default: '',
    optional: true,
    doc: 'The identity to ask for. Needed with `kubernetes` and `x509`; a join token says it.',
  },
  kubernetesTokenFile: {
    type: 'path',
    default: '/var/run/secrets/tokens/outrider',
    doc: 'With `kubernetes`: the projected token, for the audience of the control server. Read anew each time.',
  },
  x509CertFile: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'With `x509`: PEM file of the certificate and its intermediates. Read anew each time.',
  },
  x509KeyFile: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'With `x509`: PEM file of the private key of that certificate (PKCS#8, P-256, P-384 or RSA).',
  },
  trustBundleFile: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'PEM file of the roots that the control server is verified with at first contact. This or rootSha256 is needed with `kubernetes` and `x509`.',
  },
  rootSha256: {
    type: 'string',
    default: '',
    optional: true,
    pattern: '[0-9a-f]{64}',
    expects: '64 hexadecimal digits in lower case',
    doc: 'In place of trustBundleFile: SHA-256 of the root certificate (DER), as `outrider status` shows it.',
  },
  identitySource: {
    type: 'enum',
    values: ['control', 'workload-api', 'files'],
    default: 'control',
    doc: 'Where the certificate of the workload and the roots come from: the control server, which issues them; a SPIFFE Workload API such as that of a SPIRE agent, at spiffeEndpointSocket; or identityCertificate, identityKey and identityBundle, which something else renews.',
  },
  spiffeEndpointSocket: {
    type: 'string',
    default: '',
    optional: true,
    doc: 'Where the Workload API is that identitySource workload-api takes the identity from: unix:///path/of/a/socket or tcp://ADDRESS:PORT. The default is what SPIFFE_ENDPOINT_SOCKET says.',
  },
  identityCertificate: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'The certificates of identitySource files: PEM, that of the workload first, then intermediates. The file is read again when it changes.',
  },
  identityKey: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'The private key of identityCertificate: PEM, not encrypted. Refused where users outside its owner and group can read it.',
  },
  identityBundle: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'The roots of the trust domain of identityCertificate: PEM.',
  },
  controlTrustDomain: {
    type: 'string',
    default: '',
    optional: true,
    pattern: '[a-z0-9._-]{1,255}',
    expects: 'a trust domain name',
    doc: 'The trust domain of the control server, for an identity from elsewhere whose trust domain is another. The default is that of the workload.',
  },
  workloadApiSocket: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'Unix socket on which the processes of the workload get its identity, by the SPIFFE Workload API and by the secret discovery of Envoy. Everybody can open it, and workloadApiUids may have the private key. Empty: none.',
  },
  workloadApiUids: {
    type: 'string',
    default: '',
    optional: true,
    pattern: '\\d{1,10}(?:,\\d{1,10}){0,63}',
    expects: '1 to 64 user IDs, with commas between them',
    doc: 'Users who may have the identity of the workload from workloadApiSocket. The default is the user that the sidecar runs as.',
  },
  stateDir: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'Folder, of this sidecar alone, for what it needs to start while the control server is away: the certificate with its private key (with identitySource control), and the policy, sealed with a key that is derived from that. It is made with mode 0700. Empty: nothing is written, and each start needs the control server.',
  },
  lastGoodMaxAgeMs: {
    type: 'duration',
    default: '24h',
    min: '0',
    max: '30d',
    doc: 'How long the policy in stateDir may go without word from the control server: from then on nothing is allowed. What denies, limits or revokes has no end. 0: the policy is neither kept nor used.',
  },
  lastGoodWaitMs: {
    type: 'duration',
    default: '3s',
    min: '0',
    max: '5m',
    doc: 'How long a start with stateDir waits for the policy of the control server before it takes the one in the folder. It goes on asking.',
  },
  sidecarId: {
    type: 'string',
    default: '',
    pattern: '[A-Za-z0-9][A-Za-z0-9._-]{0,252}',
    expects: '1 to 253 letters, digits, dots, dashes or underscores',
    doc: 'Names this process among the sidecars of one workload. The default is the host name.',
  },
  inbound: {
    type: 'mappings',
    default: '',
    max: 64,
    doc: 'Inbound listeners as LISTEN=[PROTOCOL://]APP[?mode=MODE][&normalise=MODE]: what peers send to LISTEN over mutual TLS, and may send, goes to the application at APP. PROTOCOL is what the application speaks: auto (HTTP/1.1 or HTTP/2, as its clients do), http1, http2, grpc or tcp. MODE other than strict weakens the mesh: permissive also serves clients without TLS, as callers without an identity, and plaintext serves them alone. A normalise mode other than strict takes paths that strict refuses, because two servers could read them differently: none, base, merge-slashes and decode-and-merge-slashes are those of Istio (docs/reference/http.md). Empty for a workload that serves nothing.',
  },
  outbound: {
    type: 'address',
    use: 'listen',
    default: '127.0.0.1:15401',
    optional: true,
    doc: 'Where the application sends its requests to other services. Loopback, because whoever connects here speaks with the identity of the workload. Empty for a workload that calls nobody.',
  },
  outboundServices: {
    type: 'services',
    default: '',
    max: 256,
    doc: 'Listeners as LISTEN=SERVICE_HOST:PORT: each stands for one port of a service, whatever protocol it speaks, for applications that cannot name the service in an authority. A LISTEN that is a port alone is one of 127.0.0.1, because whoever connects there speaks with the identity of the workload.',
  },
  captureMode: {
    type: 'enum',
    values: ['redirect', 'tproxy'],
    default: 'redirect',
    doc: 'How connections come to captureInbound and captureOutbound: redirect rewrites their destination, which the kernel remembers; tproxy keeps it, and needs sockets that `outrider launch` opens. As in `outrider redirect`.',
  },
  captureInbound: {
    type: 'address',
    use: 'listen',
    default: '',
    optional: true,
    doc: 'Where captured connections to the application arrive, such as [::]:15006. The kernel brings them to an address of the machine, so that loopback is not enough.',
  },
  captureInboundPorts: {
    type: 'captured',
    default: '',
    max: 64,
    doc: 'Ports of the application that peers may reach through captureInbound, as [PROTOCOL://]PORT[?mode=MODE][&normalise=MODE]; what they mean is said at inbound. What is for one of them goes to that port on loopback; a connection for any other port is refused.',
  },
  captureOutbound: {
    type: 'address',
    use: 'listen',
    default: '',
    optional: true,
    doc: 'Where captured connections of the application arrive, such as [::]:15001. Those to the address of a Service go there over mutual TLS; what happens to others is said by MeshConfig. A connection that was not captured is refused.',
  },
  captureUid: {
    type: 'integer',
    default: 15_400,
    min: 1,
    max: 4_294_967_294,
    doc: 'The user that `outrider redirect` leaves out. A sidecar that takes captured connections and runs as another one does not start: it would capture what it sends itself, without end.',
  },
  captureInboundFd: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 65_535,
    doc: 'With tproxy: the open transparent socket of captureInbound. `outrider launch` sets it; 0: none.',
  },
  captureOutboundFd: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 65_535,
    doc: 'With tproxy: the open transparent socket of captureOutbound. `outrider launch` sets it; 0: none.',
  },
  admin: {
    type: 'address',
    use: 'listen',
    default: '127.0.0.1:15400',
    loopback: true,
    doc: 'Health, metrics and diagnostics. Loopback only: it tells what the sidecar knows to anyone who can connect.',
  },
  health: {
    type: 'address',
    use: 'listen',
    default: '',
    optional: true,
    doc: 'Where a kubelet asks for /live, /ready and what probes lists, such as [::]:15020; nothing else is answered there, and nobody is asked who he is. With it, peers are told of a port when the application listens there. Where the machine has no IPv6, [::] is 0.0.0.0. Empty: nowhere.',
  },
  probes: {
    type: 'string',
    default: '',
    optional: true,
    doc: 'What the application may be asked through health at /probe/..., with spaces between: http://:8080/healthz, https://:8443/, tcp://:5432, grpc://:9090/service; all on loopback. A kubelet has no certificate of the mesh, so that it could not ask by itself. At most 64.',
  },
  extAuthz: {
    type: 'string',
    default: '',
    optional: true,
    doc: 'Where others, such as an Envoy with the external authorization filter, may ask this sidecar what the policy of its workload says about a request: HOST:PORT, or unix:/path/of/a/socket. Without TLS on loopback and on a socket, else over mutual TLS. Empty: nowhere.',
  },
  extAuthzCallers: {
    type: 'string',
    default: '',
    optional: true,
    pattern: 'spiffe://[^,\\s]{1,2000}(?:,spiffe://[^,\\s]{1,2000}){0,63}',
    expects: '1 to 64 SPIFFE IDs, with commas between them',
    doc: 'Who may ask on extAuthz: SPIFFE IDs. They are believed in what they say about the callers of requests. Needed where extAuthz is not on loopback; given there too, the question has to come over mutual TLS.',
  },
  advertiseAddress: {
    type: 'host',
    default: '',
    optional: true,
    doc: 'The host that peers use to reach the inbound listeners. Empty: the address of the listener, or the first address of the machine that is not loopback where the listener has all of them.',
  },
  workers: {
    type: 'integer',
    default: 1,
    min: 1,
    max: 64,
    auto: true,
    doc: 'Threads that serve traffic, each on a core of its own; `auto`: as many as this process may use. 1 shares no state between threads and costs the least memory. Limits and bounds are those of the process, whatever their number (docs/architecture/threads.md).',
  },
  drainTimeoutMs: {
    type: 'duration',
    default: '30s',
    min: '0',
    max: '1h',
    doc: 'How long requests in flight may take to finish when the sidecar stops; the default is the grace period of a Kubernetes pod.',
  },
  maxHeadBytes: {
    type: 'integer',
    default: 61_440,
    min: 1024,
    max: 1_048_576,
    unit: 'bytes',
    doc: 'Largest head of a request or response, counted after decompression. Larger ones are refused with 431; the default leaves room for big cookies and tokens.',
  },
  maxHeadFields: {
    type: 'integer',
    default: 100,
    min: 10,
    max: 1000,
    doc: 'Most header fields in one head; more are refused with 431.',
  },
  headTimeoutMs: {
    type: 'duration',
    default: '10s',
    min: '100ms',
    max: '5m',
    doc: 'How long a peer may take to send a whole head once it has begun: ends slow-header attacks.',
  },
  requestIdleTimeoutMs: {
    type: 'duration',
    default: '5m',
    min: '100ms',
    max: '24h',
    doc: 'How long a request may pass without a byte in either direction.',
  },
  connectionIdleTimeoutMs: {
    type: 'duration',
    default: '1h',
    min: '1s',
    max: '24h',
    doc: 'How long a connection without requests is kept for the next one.',
  },
  handshakeTimeoutMs: {
    type: 'duration',
    default: '10s',
    min: '100ms',
    max: '1m',
    doc: 'How long a TLS handshake may take.',
  },
  maxConnections: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Most connections per listener; the next one is closed at once and counted. Each costs memory even when idle.',
  },
  maxInFlight: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Most requests in flight in this process; more are refused with 503 before they cost anything.',
  },
  maxBodyBytes: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 1_099_511_627_776,
    unit: 'bytes',
    doc: 'Largest request body; a larger one is refused with 413. 0: no cap, because bodies are streamed and never held.',
  },
  maxRequestsPerConnection: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 1_000_000_000,
    doc: 'After so many requests a connection is closed, which spreads long-lived clients over new endpoints. 0: never for this reason.',
  },
  maxConcurrentStreams: {
    type: 'integer',
    default: 1000,
    min: 1,
    max: 10_000,
    doc: 'Most HTTP/2 requests in flight that a peer may have on one connection; sidecars share few connections, so the default is above what a browser would be given.',
  },
  streamWindowBytes: {
    type: 'integer',
    default: 65_536,
    min: 65_536,
    max: 16_777_215,
    unit: 'bytes',
    doc: 'Bytes of one HTTP/2 message that may be in flight unread. More makes a single stream faster over long distances, and each stalled one larger.',
  },
  connectionWindowBytes: {
    type: 'integer',
    default: 1_048_576,
    min: 65_536,
    max: 268_435_456,
    unit: 'bytes',
    doc: 'Bytes of all HTTP/2 messages of one connection that may be in flight unread. At least streamWindowBytes.',
  },
  maxHeldBytes: {
    type: 'integer',
    default: 134_217_728,
    min: 1_048_576,
    max: 1_099_511_627_776,
    unit: 'bytes',
    doc: 'Bytes of bodies in this process that were read from HTTP/2 peers and not yet taken by the other side. Above it peers may send only as much more as has been taken.',
  },
  detectTimeoutMs: {
    type: 'duration',
    default: '10s',
    min: '10ms',
    max: '1m',
    doc: 'How long a client that speaks no TLS may take to show its protocol. After that its connection counts as TCP, and is decided on as such.',
  },
  tunnelIdleTimeoutMs: {
    type: 'duration',
    default: '1h',
    min: '1s',
    max: '30d',
    doc: 'How long a TCP connection or a WebSocket may pass without a byte in either direction.',
  },
  upstreamConnectTimeoutMs: {
    type: 'duration',
    default: '5s',
    min: '10ms',
    max: '1m',
    doc: 'How long the TCP connection to an endpoint or the application may take.',
  },
  upstreamIdleTimeoutMs: {
    type: 'duration',
    default: '4m30s',
    min: '100ms',
    max: '24h',
    doc: 'How long an upstream connection without requests is kept. Shorter than the time the server keeps it, so that a request never meets a connection that the server is closing: below connectionIdleTimeoutMs, and below what applications commonly use.',
  },
  maxUpstreamConnections: {
    type: 'integer',
    default: 1024,
    min: 1,
    max: 65_535,
    doc: 'Most connections to one endpoint; requests beyond them wait for upstreamQueueTimeoutMs.',
  },
  maxMeshConnections: {
    type: 'integer',
    default: 4,
    min: 1,
    max: 64,
    doc: 'Most mutual TLS connections to one endpoint of a service. HTTP/2 carries many requests on each, so that a few are enough.',
  },
  upstreamQueueTimeoutMs: {
    type: 'duration',
    default: '1s',
    min: '0',
    max: '1m',
    doc: 'How long a request may wait for a connection when all of them are busy, before it is refused with 503.',
  },
  taintGraceMs: {
    type: 'duration',
    default: '5m',
    min: '1s',
    max: '24h',
    doc: 'How long what is under way on a mutual TLS connection may go on when the connection is wound up because an authority below one of its certificates is tainted. Nothing on it outlives the certificates.',
  },
  underscoresInHeaders: {
    type: 'enum',
    values: ['refuse', 'allow'],
    default: 'refuse',
    dangerous: true,
    doc: 'What to do with header names that contain `_`. Many applications read `x_user` and `x-user` as the same name, so that a forged one passes for a header that the mesh has set.',
  },
  secretsDir: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'Folder with the secrets of this workload at authorization servers: a file each, of the name that a RequestAuthentication says. A file that users outside its owner and group can use is refused. Files are read again when they change.',
  },
  tokenProviderAllow: {
    type: 'string',
    default: '',
    optional: true,
    pattern: '[A-Za-z0-9.:/_-]{1,255}(?:,[A-Za-z0-9.:/_-]{1,255}){0,63}',
    expects: '1 to 64 host names and CIDR blocks, with commas between them',
    doc: 'Identity providers in private networks: host names and CIDR blocks that JWK Sets may be fetched from, and tokens asked about at, although their addresses are private, loopback or otherwise special. Link-local and metadata addresses are opened by a CIDR block only. By default only addresses of the Internet are asked.',
  },
  tokenProviderCaFile: {
    type: 'path',
    default: '',
    optional: true,
    doc: 'PEM file of the roots that identity providers are verified with, in place of those of the Web PKI. Read anew each time.',
  },
  dpopOrigins: {
    type: 'string',
    default: '',
    optional: true,
    pattern: 'https?://[a-z0-9.:_\\[\\]-]{1,255}(?:,https?://[a-z0-9.:_\\[\\]-]{1,255}){0,15}',
    expects: '1 to 16 origins such as https://api.example.com, with commas between them',
    doc: 'Origins that clients call this workload by where something before the mesh ends their TLS and changes the authority. A DPoP proof may be made for one of them, or for the authority of the request itself.',
  },
  accessLog: {
    type: 'enum',
    values: ['denials', 'all', 'off'],
    default: 'denials',
    doc: 'Which requests get a line in the access log. Denials are never sampled.',
  },
  accessLogPath: {
    type: 'path',
    default: '-',
    doc: 'File that the access log is appended to; `-` is the standard output.',
  },
  accessLogHeaders: {
    type: 'string',
    default: '',
    optional: true,
    pattern:
      '(?!(?:.*,)?(?:authorization|proxy-authorization|cookie|x-api-key)(?:,|$))[a-z0-9._-]{1,64}(?:,[a-z0-9._-]{1,64}){0,15}',
    expects:
      'at most 16 names of headers in lower case with commas between them, none of them one that carries secrets',
    doc: 'Request headers that the access log shows, for rules that name them: `outrider policy replay` cannot decide on what was not written down. Values above 1024 characters are left out.',
  },
  logLevel: {
    type: 'enum',
    values: ['trace', 'debug', 'info', 'warn', 'error'],
    default: 'info',
    doc: 'Least severe level of the diagnostic log, which goes to the standard error.',
  },
  rateLimitMaxKeys: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Callers that one rate limit counts separately. Callers beyond that share one bucket, so that memory stays bounded and nobody is unlimited.',
  },
} as const

export type SidecarConfig = ConfigOf<typeof sidecarOptions>

/** As `loadConfig`, and checks what more than one option decides. */
export function loadSidecarConfig(sources: ConfigSources<typeof sidecarOptions>): SidecarConfig {
  const config = loadConfig(sidecarOptions, sources)
  if (config.upstreamIdleTimeoutMs >= config.connectionIdleTimeoutMs) {
    throw new OutriderError(
      'config-options-disagree',
      `upstreamIdleTimeoutMs (${config.upstreamIdleTimeoutMs}) must be below connectionIdleTimeoutMs (${config.connectionIdleTimeoutMs}): otherwise requests meet connections that the peer is closing`,
      { place: 'upstreamIdleTimeoutMs' },
    )
  }
  if (config.streamWindowBytes > config.connectionWindowBytes) {
    throw new OutriderError(
      'config-options-disagree',
      `streamWindowBytes (${config.streamWindowBytes}) must not be above connectionWindowBytes (${config.connectionWindowBytes}): no stream could fill its window`,
      { place: 'streamWindowBytes' },
    )
  }
  if (config.joinToken !== undefined && config.joinTokenFile !== undefined) {
    throw new OutriderError(
      'config-options-disagree',
      'joinToken and joinTokenFile are both given: which one counts?',
      {
        place: 'joinTokenFile',
      },
    )
  }
  checkIdentitySource(config)
  checkCapture(config)
  checkProbes(config)
  checkExtAuthz(config)
  checkTokenProviders(config)
  return config
}

function checkTokenProviders({ tokenProviderAllow = '', dpopOrigins = '' }: SidecarConfig): void {
  const allowance = parseAllowance(tokenProviderAllow)
  if (typeof allowance === 'string')
    throw new OutriderError('config-value-malformed', `tokenProviderAllow: ${allowance}`, {
      place: 'tokenProviderAllow',
    })
  const wrong = dpopOrigins.split(',').find((origin) => origin !== '' && !URL.canParse(origin))
  if (wrong !== undefined)
    throw new OutriderError('config-value-malformed', `dpopOrigins: ${JSON.stringify(wrong)} is no origin`, {
      place: 'dpopOrigins',
    })
}

function checkIdentitySource({
  identitySource,
  spiffeEndpointSocket,
  identityCertificate,
  identityKey,
  identityBundle,
  workloadApiSocket,
}: SidecarConfig): void {
  if (identitySource === 'workload-api' && spiffeEndpointSocket === undefined) {
    throw disagree(
      'spiffeEndpointSocket',
      'identitySource is workload-api, and spiffeEndpointSocket does not say where',
    )
  }
  if (identitySource === 'workload-api' && spiffeEndpointSocket === `unix://${workloadApiSocket}`) {
    throw disagree('spiffeEndpointSocket', 'spiffeEndpointSocket is our own workloadApiSocket')
  }
  const files = { identityCertificate, identityKey, identityBundle }
  for (const [name, path] of Object.entries(files)) {
    if ((path === undefined) === (identitySource !== 'files')) continue
    throw disagree(
      name,
      path === undefined ? `identitySource is files, and ${name} is not given` : `${name} needs identitySource files`,
    )
  }
}

function checkProbes({ health, probes }: SidecarConfig): void {
  const targets = parseProbeTargets(probes ?? '')
  if (typeof targets === 'string') {
    throw new OutriderError('config-value-malformed', `probes: ${targets}`, { place: 'probes' })
  }
  if (targets.length > 0 && health === undefined) {
    throw disagree('probes', 'probes are given, and health does not say where they are answered')
  }
}

function checkExtAuthz({ extAuthz, extAuthzCallers }: SidecarConfig): void {
  if (extAuthz === undefined) {
    if (extAuthzCallers !== undefined) throw disagree('extAuthzCallers', 'extAuthzCallers needs extAuthz')
    return
  }
  const address = parseServerAddress(extAuthz)
  if (address === undefined) {
    throw new OutriderError('config-value-malformed', 'extAuthz is neither HOST:PORT nor unix:/path/of/a/socket', {
      place: 'extAuthz',
    })
  }
  if ('path' in address && extAuthzCallers !== undefined) {
    throw disagree(
      'extAuthzCallers',
      'extAuthz is a Unix socket, which has no TLS: the mode of its folder says who may ask',
    )
  }
  if (!isOfThisMachine(address) && extAuthzCallers === undefined) {
    throw disagree('extAuthzCallers', 'extAuthz is not on loopback: extAuthzCallers has to say who may ask')
  }
}

function disagree(place: string, message: string): OutriderError<'config-options-disagree'> {
  return new OutriderError('config-options-disagree', message, { place })
}
